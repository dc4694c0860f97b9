import { taggedHash } from "./_tagged_hash.ts";
import type { CryptoProvider } from "./crypto_provider.ts";
import type { IndexSet } from "./index_set.ts";

/**
 * Hash over what the sites sent after the roster: for every dealer of U1 the hash of its `share_keys` message, then
 * for every survivor of U2 the root of its masked vector, both in ascending order of index.
 */
export function recordRoot(
  provider: CryptoProvider,
  shareHashes: readonly Uint8Array[],
  vectorRoots: readonly Uint8Array[],
): Uint8Array {
  return taggedHash(provider, "record", ...shareHashes, ...vectorRoots);
}

/**
 * What a site signs as the set U1 that it masks its vector for. In `default` a share of a survivor's mask seed is
 * released only against that survivor's signature of the releaser's own U1: otherwise a server could leave sites out of
 * the masks of one vector and so undercut the bound of `worstLegalSplit`.
 */
export function sharedStatement(provider: CryptoProvider, sid: Uint8Array, shared: IndexSet): Uint8Array {
  return taggedHash(provider, "shared", sid, shared.toBytes());
}

/** Everything that a transcript covers. */
export interface Transcript {
  /** Session id: configuration, model, plan and all advertised keys. */
  readonly sid: Uint8Array;
  /** U1. */
  readonly shared: IndexSet;
  /** U2. */
  readonly survivors: IndexSet;
  /** {@link recordRoot}. */
  readonly recordRoot: Uint8Array;
}

/**
 * Hash of the whole session up to the survivors. All survivors sign it in `strict`; every answer to the unmask request
 * is signed together with it in all profiles.
 */
export function transcriptHash(provider: CryptoProvider, transcript: Transcript): Uint8Array {
  const { sid, shared, survivors, recordRoot } = transcript;
  return taggedHash(provider, "transcript", sid, shared.toBytes(), survivors.toBytes(), recordRoot);
}
