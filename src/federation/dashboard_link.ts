import { join } from "node:path";
import { AggregatorClient } from "./aggregator_client.ts";
import { readIdentity } from "./identity_file.ts";
import { readPinnedAggregator, SITE_FILES } from "./site_state.ts";

const RETRY_MS = 10_000;

/**
 * Asks the aggregator for a one-time link to its dashboard, as the member whose state folder it is.
 * @param stateFolder state folder of a site, an operator or an auditor
 * @returns an address that a browser can open once
 * @throws FedKimError `AuthenticationError` for a revoked member, `NetworkError` without an answer
 */
export async function dashboardLink(stateFolder: string, signal: AbortSignal): Promise<string> {
  const identity = await readIdentity(join(stateFolder, SITE_FILES.identity));
  const { url } = await readPinnedAggregator(stateFolder);
  const client = new AggregatorClient(url, identity, RETRY_MS, signal);
  const { path } = await client.postJson<{ path: string }>("/v1/ticket", {});
  return new URL(path, url).href;
}
