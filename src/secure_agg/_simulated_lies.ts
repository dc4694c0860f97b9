import { framed } from "./_tagged_hash.ts";
import { unmaskStatement } from "./client_unmask.ts";
import { decodeMessage, encodeMessage } from "./codec.ts";
import type { CryptoProvider } from "./crypto_provider.ts";
import { type Identity, signLabelled } from "./identity.ts";

/**
 * How a simulated site lies.
 * - `bad_shares`: gives back changed shares of everybody's secrets, properly signed;
 * - `wrong_length`: uploads a chunk of another length;
 * - `wrong_commitment`: commits to another mask seed than it shares.
 */
export type Lie = "bad_shares" | "wrong_length" | "wrong_commitment";

/** All lies, in the order in which Byzantine sites take them up. */
export const LIES: readonly Lie[] = ["bad_shares", "wrong_length", "wrong_commitment"];

/** The cryptography of a site that commits to another seed: the hash of its commitment comes out changed. */
export function lyingProvider(provider: CryptoProvider): CryptoProvider {
  const label = framed("mask_seed_commitment");
  return {
    ...provider,
    sha256: (...parts) => {
      const hash = provider.sha256(...parts);
      if (label.every((byte, i) => parts[0][i] === byte)) hash[0] ^= 1;
      return hash;
    },
  };
}

/** What a lying site sends instead of an honest message. */
export function tamper(
  lie: Lie | undefined,
  bytes: Uint8Array,
  identity: Identity,
  transcript: Uint8Array,
): Uint8Array {
  if (lie === undefined || lie === "wrong_commitment") return bytes;
  const message = decodeMessage(bytes);
  if (lie === "wrong_length" && message.type === "masked_chunk") {
    return encodeMessage({ ...message, payload: message.payload.subarray(1) });
  }
  if (lie === "bad_shares" && message.type === "unmask") {
    const shares = message.shares.map((released) => ({
      ...released,
      share: released.share.map((byte) => byte ^ 1),
    }));
    const signature = signLabelled(identity, "unmask", unmaskStatement(transcript, { ...message, shares }));
    return encodeMessage({ ...message, shares, signature });
  }
  return bytes;
}
