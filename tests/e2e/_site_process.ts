// A real site worker for tests: the product's own worker, with a byte source and a notebook put in by the test.
// Arguments: client.json, notebook folder, label of the byte source, step in which to die (0 = never).
import { createHash } from "node:crypto";
import { readClientConfig, runSite } from "../../src/federation/mod.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { notingClient, writeVector } from "../federation/_noting_client.ts";

const [configFile, notebook, label, dieAt] = Deno.args;

/** SHA-256 in counter mode: reproducible bytes, for tests only. */
let counter = 0;
function testBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let offset = 0; offset < length; offset += 32) {
    const block = createHash("sha256").update(`${label}/${counter++}`).digest();
    bytes.set(block.subarray(0, Math.min(32, length - offset)), offset);
  }
  return bytes;
}

try {
  await selectBackend("wasm");
  await runSite({
    config: await readClientConfig(configFile),
    signal: new AbortController().signal,
    onEvent: (event) => console.error(JSON.stringify(event)),
    randomBytes: testBytes,
    createClient: notingClient(async (vector, { identity, config: { roundId } }) => {
      if (roundId === Number(dieAt)) Deno.exit(99);
      await writeVector(`${notebook}/${identity.id}-${roundId}.u32`, vector);
    }),
  });
  Deno.exit(0);
} catch (error) {
  console.error(String(error));
  Deno.exit(error instanceof FedKimError ? error.exitStatus : 70);
}
