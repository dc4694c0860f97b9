import { concatBytes, u16 } from "./_bytes.ts";
import { taggedHash } from "./_tagged_hash.ts";
import type { CryptoProvider } from "./crypto_provider.ts";
import type { Identity } from "./identity.ts";
import { encodeMessage } from "./codec.ts";
import { signLabelled } from "./identity.ts";
import { chunkCount, chunkRange, type RoundConfig } from "./round_config.ts";
import type { IndexSet } from "./index_set.ts";
import { toWire } from "./ring_vector.ts";
import { sharedStatement } from "./transcript.ts";

/** Hash over the hashes of all chunks of a masked vector, in order. */
export function vectorRoot(
  provider: CryptoProvider,
  sid: Uint8Array,
  index: number,
  chunkHashes: readonly Uint8Array[],
): Uint8Array {
  return taggedHash(provider, "masked_vector", sid, u16(index), ...chunkHashes);
}

/** The bytes of a commit message that its signature covers. */
export function commitStatement(sid: Uint8Array, index: number, root: Uint8Array): Uint8Array {
  return concatBytes(sid, u16(index), root);
}

/** Who uploads a vector, and under which configuration. */
export interface VectorOwner {
  /** The round. */
  readonly config: RoundConfig;
  /** Session id. */
  readonly sid: Uint8Array;
  /** Roster index. */
  readonly index: number;
  /** U1: the sites that the vector is masked for. */
  readonly shared: IndexSet;
  /** Signs the commit message. */
  readonly identity: Identity;
  /** Cryptography. */
  readonly provider: CryptoProvider;
}

/**
 * The upload of a masked vector: its chunk messages, then the commit message. It can be iterated again and always
 * gives the same bytes. Chunks are made one at a time, so memory stays at one vector and one chunk.
 */
export function vectorMessages(owner: VectorOwner, masked: Uint32Array): Iterable<Uint8Array> {
  const { config, sid, index, shared, identity, provider } = owner;
  const payload = (chunk: number): Uint8Array => {
    const { start, length } = chunkRange(config, chunk);
    return toWire(config.wireForm, masked.subarray(start, start + length));
  };
  const chunks = chunkCount(config);
  const hashes = Array.from({ length: chunks }, (_, chunk) => provider.sha256(payload(chunk)));
  const root = vectorRoot(provider, sid, index, hashes);
  const signature = signLabelled(identity, "commit_vector", commitStatement(sid, index, root), provider);
  const sharedSignature = config.profile === "default"
    ? signLabelled(identity, "sign_shared", sharedStatement(provider, sid, shared), provider)
    : undefined;
  return {
    *[Symbol.iterator](): Iterator<Uint8Array> {
      for (let chunk = 0; chunk < chunks; chunk++) {
        yield encodeMessage({ type: "masked_chunk", sid, index, chunk, payload: payload(chunk) });
      }
      yield encodeMessage({
        type: "commit_vector",
        sid,
        index,
        vectorRoot: root,
        signature,
        sharedSignature,
      });
    },
  };
}
