import { join } from "node:path";
import { sha256Hex } from "../formats/canonical_json.ts";
import { writeDurable } from "../formats/durable_file.ts";
import type { AggregatorClient } from "./aggregator_client.ts";

/**
 * Path of an artefact on this site's disk; fetched once, checked against its hash each time.
 * @throws FedKimError `AuthenticationError` when the aggregator serves other bytes
 */
export async function cachedArtefact(
  folder: string,
  hash: string,
  connection: AggregatorClient,
): Promise<string> {
  const path = join(folder, "artefacts", hash);
  try {
    if (sha256Hex(await Deno.readFile(path)) === hash) return path;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await writeDurable(path, await connection.artefact(hash));
  return path;
}
