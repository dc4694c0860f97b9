import { u16, writeU16 } from "./_bytes.ts";
import { framed, taggedHash } from "./_tagged_hash.ts";
import type { CryptoProvider } from "./crypto_provider.ts";

const SEED_BYTES = 32;
/** Info of the keys between two sites; the last four bytes are for the two indices. */
const PAIR_MASK = framed("pair_mask", new Uint8Array(4));
const ENVELOPE = framed("envelope", new Uint8Array(4));

/** The template with both indices filled in. It is the same array every time: HKDF has read it when it returns. */
function infoOf(template: Uint8Array, first: number, second: number): Uint8Array {
  writeU16(template, template.length - 4, first);
  writeU16(template, template.length - 2, second);
  return template;
}

/** Commitment of a dealer to its self-mask seed b; binds session and dealer. */
export function maskSeedCommitment(
  provider: CryptoProvider,
  sid: Uint8Array,
  index: number,
  maskSeed: Uint8Array,
): Uint8Array {
  return taggedHash(provider, "mask_seed_commitment", sid, u16(index), maskSeed);
}

/** ChaCha20 key of the self mask: HKDF(b, salt sid). */
export function selfMaskKey(
  provider: CryptoProvider,
  sid: Uint8Array,
  index: number,
  maskSeed: Uint8Array,
): Uint8Array {
  return provider.hkdf(maskSeed, sid, framed("self_mask", u16(index)), SEED_BYTES);
}

/** ChaCha20 key of a pairwise mask: HKDF(X25519 of the mask keys, salt sid), the same from both ends. */
export function pairMaskKey(
  provider: CryptoProvider,
  sid: Uint8Array,
  sharedSecret: Uint8Array,
  a: number,
  b: number,
): Uint8Array {
  const info = infoOf(PAIR_MASK, Math.min(a, b), Math.max(a, b));
  return provider.hkdf(sharedSecret, sid, info, SEED_BYTES);
}

/** True if site `index` subtracts the pairwise mask it has with `peer`: the higher index does. */
export function subtractsPairMask(index: number, peer: number): boolean {
  return index > peer;
}

/** Key of the one envelope from a dealer to a holder: HKDF(X25519 of the encryption keys, salt sid). */
export function envelopeKey(
  provider: CryptoProvider,
  sid: Uint8Array,
  sharedSecret: Uint8Array,
  from: number,
  to: number,
): Uint8Array {
  return provider.hkdf(sharedSecret, sid, infoOf(ENVELOPE, from, to), SEED_BYTES);
}

/** Additional data of an envelope: session, both ends, and the dealer's public commitments to both secrets. */
export function envelopeAad(
  sid: Uint8Array,
  from: number,
  to: number,
  commitment: Uint8Array,
  maskKey: Uint8Array,
): Uint8Array {
  const out = new Uint8Array(100);
  out.set(sid);
  writeU16(out, 32, from);
  writeU16(out, 34, to);
  out.set(commitment, 36);
  out.set(maskKey, 68);
  return out;
}

/** Nonce of the envelopes: zero, because every key seals exactly one plaintext. */
export const ENVELOPE_NONCE: Uint8Array = new Uint8Array(12);
