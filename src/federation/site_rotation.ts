import { join } from "node:path";
import { type Identity, signLabelled } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { toHex } from "../formats/hex.ts";
import { ROTATE_LABEL } from "./enrollment_book.ts";
import { createIdentity, exists, readIdentity } from "./identity_file.ts";
import { withAggregator } from "./member_client.ts";
import { readPolicy, type SitePolicy, writePolicy } from "./site_policy.ts";
import { SITE_FILES } from "./site_state.ts";
import type { OutboundConfig } from "./tls_client.ts";

/** Where the new key waits until the aggregator has taken it. */
const NEXT_FILE = "identity.next.json";

/**
 * Replaces a site's Ed25519 key: makes a new one, has the aggregator pin it, signs the policy anew and only then drops
 * the old one. May be repeated after a crash or a lost answer at any point; the new key stays the same.
 * @param stateFolder the site's state folder
 * @param signal stops everything
 * @param outbound authorities, client certificate and proxy
 * @returns the site's name and new public key, for the other hospitals' `--peers`
 * @throws FedKimError `AuthenticationError` where neither key is accepted, `NetworkError` without an answer
 */
export async function rotateKey(
  stateFolder: string,
  signal: AbortSignal,
  outbound: OutboundConfig = {},
): Promise<{ site: string; publicKey: string }> {
  const path = join(stateFolder, SITE_FILES.identity);
  const nextPath = join(stateFolder, NEXT_FILE);
  const old = await readIdentity(path);
  const next = await exists(nextPath) ? await readIdentity(nextPath) : await createIdentity(nextPath, old.id);
  const publicKey = toHex(next.publicKey);
  const statement = new TextEncoder().encode(`${old.id}\n${publicKey}`);
  const request = { publicKey, signature: toHex(signLabelled(next, ROTATE_LABEL, statement)) };
  await withAggregator(stateFolder, signal, outbound, async ({ as }) => {
    const ask = (identity: Identity) => as(identity).postJson("/v1/key", request);
    try {
      await ask(old);
    } catch (error) {
      // After a lost answer the aggregator knows the new key already, and the old one no longer.
      if (!(error instanceof FedKimError) || error.code !== "AuthenticationError") throw error;
      await ask(next);
    }
  });
  const policyPath = join(stateFolder, SITE_FILES.policy);
  if (await exists(policyPath)) {
    await writePolicy(policyPath, await policyOfEither(policyPath, old, next), next);
  }
  await Deno.rename(nextPath, path);
  return { site: old.id, publicKey };
}

async function policyOfEither(path: string, old: Identity, next: Identity): Promise<SitePolicy> {
  try {
    return await readPolicy(path, old);
  } catch {
    return await readPolicy(path, next);
  }
}
