import { chacha20, chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { concatBytes, equalBytes } from "./_bytes.ts";
import { isSmallOrderEd25519 } from "./_ed25519_order.ts";
import { isAllZero, isCanonicalX25519 } from "./_x25519_canonical.ts";
import type { CryptoProvider } from "./crypto_provider.ts";

/** Runs a primitive that throws on bad input, and answers undefined then. */
function orUndefined(run: () => Uint8Array): Uint8Array | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

/** Bytes as a little-endian integer. */
function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/**
 * RFC 8032, section 5.1.7, without the factor 8 and with R compared as bytes: what native libraries check. noble's own
 * check multiplies by 8 and so takes some signatures, under keys made for it, that they refuse.
 */
function verifyCofactorless(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (isSmallOrderEd25519(publicKey)) return false;
  const { Point } = ed25519;
  const encodedR = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  const k = littleEndian(sha512(concatBytes(encodedR, publicKey, message))) % Point.Fn.ORDER;
  const minusKA = Point.fromBytes(publicKey, false).multiplyUnsafe(k).negate();
  // A scalar s that is not below the group order makes multiplyUnsafe throw, as RFC 8032 wants it refused.
  return equalBytes(Point.BASE.multiplyUnsafe(s).add(minusKA).toBytes(), encodedR);
}

function agree(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  if (!isCanonicalX25519(publicKey)) return undefined;
  const shared = orUndefined(() => x25519.getSharedSecret(secretKey, publicKey));
  return shared === undefined || isAllZero(shared) ? undefined : shared;
}

/** SA1 in portable TypeScript (noble): runs in browsers too. Slower, and JavaScript cannot promise constant time. */
export const nobleProvider: CryptoProvider = {
  name: "noble",
  sha256: (...parts) => {
    const hash = sha256.create();
    for (const part of parts) hash.update(part);
    return hash.digest();
  },
  hkdf: (ikm, salt, info, length) => hkdf(sha256, ikm, salt, info, length),
  x25519PublicKey: (secretKey) => x25519.getPublicKey(secretKey),
  x25519: (secretKey) => (publicKey) => agree(secretKey, publicKey),
  ed25519PublicKey: (seed) => ed25519.getPublicKey(seed),
  ed25519Sign: (seed, message) => ed25519.sign(message, seed),
  ed25519Verify: (publicKey, message, signature) => {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    try {
      return verifyCofactorless(publicKey, message, signature);
    } catch {
      return false;
    }
  },
  seal: (key, nonce, aad, plaintext) => chacha20poly1305(key, nonce, aad).encrypt(plaintext),
  open: (key, nonce, aad, sealed) => orUndefined(() => chacha20poly1305(key, nonce, aad).decrypt(sealed)),
  keyStream: (key, counter) => {
    let next = counter;
    return (length) => {
      const at = next;
      next += Math.ceil(length / 64);
      return chacha20(key, new Uint8Array(12), new Uint8Array(length), undefined, at);
    };
  },
  chacha20: (key, nonce, counter, length) => chacha20(key, nonce, new Uint8Array(length), undefined, counter),
};
