import { join } from "node:path";
import type { Identity } from "../secure_agg/mod.ts";
import { AggregatorClient } from "./aggregator_client.ts";
import { readIdentity } from "./identity_file.ts";
import { readPinnedAggregator, SITE_FILES } from "./site_state.ts";
import { outboundClient, type OutboundConfig } from "./tls_client.ts";

/** How long a command looks for the aggregator, milliseconds. */
const RETRY_MS = 10_000;

/** How a member calls its aggregator. */
export interface MemberClient {
  /** Where the aggregator listens. */
  readonly url: string;
  /** The member's identity. */
  readonly identity: Identity;
  /** Signs as another identity, over the same connection. */
  readonly as: (identity: Identity) => AggregatorClient;
  /** Signs as the member. */
  readonly client: AggregatorClient;
}

/**
 * Calls the pinned aggregator of a state folder as its member, and closes the connection afterwards.
 * @param stateFolder state folder of a site, an operator or an auditor
 * @param signal stops everything
 * @param outbound authorities, client certificate and proxy
 * @param work what is asked
 * @throws FedKimError `ConfigError` where the folder is not enrolled or TLS files cannot be used
 */
export async function withAggregator<T>(
  stateFolder: string,
  signal: AbortSignal,
  outbound: OutboundConfig,
  work: (member: MemberClient) => Promise<T>,
): Promise<T> {
  const identity = await readIdentity(join(stateFolder, SITE_FILES.identity));
  const { url } = await readPinnedAggregator(stateFolder);
  const http = await outboundClient(outbound);
  const as = (identity: Identity) => new AggregatorClient(url, identity, RETRY_MS, signal, http);
  try {
    return await work({ url, identity, as, client: as(identity) });
  } finally {
    http?.close();
  }
}
