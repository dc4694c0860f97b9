import { chacha20, chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
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
  x25519: (secretKey) => (publicKey) => {
    if (!isCanonicalX25519(publicKey)) return undefined;
    const shared = orUndefined(() => x25519.getSharedSecret(secretKey, publicKey));
    return shared === undefined || isAllZero(shared) ? undefined : shared;
  },
  ed25519PublicKey: (seed) => ed25519.getPublicKey(seed),
  ed25519Sign: (seed, message) => ed25519.sign(message, seed),
  ed25519Verify: (publicKey, message, signature) => {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    try {
      return ed25519.verify(signature, message, publicKey, { zip215: false });
    } catch {
      return false;
    }
  },
  seal: (key, nonce, aad, plaintext) => chacha20poly1305(key, nonce, aad).encrypt(plaintext),
  open: (key, nonce, aad, sealed) => orUndefined(() => chacha20poly1305(key, nonce, aad).decrypt(sealed)),
  chacha20: (key, nonce, counter, length) => chacha20(key, nonce, new Uint8Array(length), undefined, counter),
};
