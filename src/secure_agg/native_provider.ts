import type { Buffer } from "node:buffer";
import nodeCrypto from "node:crypto";
import { isAllZero, isCanonicalX25519 } from "./_x25519_canonical.ts";
import { isSmallOrderEd25519 } from "./_ed25519_order.ts";
import { concatBytes, equalBytes, u32 } from "./_bytes.ts";
import type { CryptoProvider } from "./crypto_provider.ts";

/** DER prefixes of RFC 8410: PKCS #8 private and SubjectPublicKeyInfo public keys around the raw 32 bytes. */
const pkcs8 = (oid: number): Uint8Array =>
  Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, oid, 4, 0x22, 4, 0x20);
const spki = (oid: number): Uint8Array =>
  Uint8Array.of(0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, oid, 3, 0x21, 0);
const X25519_PRIVATE = pkcs8(0x6e);
const X25519_PUBLIC = spki(0x6e);
const ED25519_PRIVATE = pkcs8(0x70);
const ED25519_PUBLIC = spki(0x70);
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/**
 * Where a prefix and a key are joined, used again for every key: node copies what it imports, and an array that it has
 * seen is an allocation outside the JavaScript heap. Node's types ask for a Buffer, node itself takes any bytes.
 */
const der = { private: new Uint8Array(16 + KEY_BYTES), public: new Uint8Array(12 + KEY_BYTES) };

function joined(target: Uint8Array, prefix: Uint8Array, raw: Uint8Array): Buffer {
  if (raw.length !== KEY_BYTES) throw new RangeError("a key has 32 bytes");
  target.set(prefix);
  target.set(raw, prefix.length);
  return target as Buffer;
}

function privateKey(prefix: Uint8Array, raw: Uint8Array): nodeCrypto.KeyObject {
  try {
    const key = joined(der.private, prefix, raw);
    return nodeCrypto.createPrivateKey({ key, format: "der", type: "pkcs8" });
  } finally {
    der.private.fill(0);
  }
}

function publicKey(prefix: Uint8Array, raw: Uint8Array): nodeCrypto.KeyObject {
  return nodeCrypto.createPublicKey({ key: joined(der.public, prefix, raw), format: "der", type: "spki" });
}

/** The bytes of a Buffer without a copy, so that a caller who wipes a secret wipes the only one there is. */
function bytesOf(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

/** The raw 32-byte public key of a private key object. */
function rawPublic(key: nodeCrypto.KeyObject): Uint8Array {
  const der = nodeCrypto.createPublicKey(key as unknown as nodeCrypto.PublicKeyInput).export({
    type: "spki",
    format: "der",
  });
  return new Uint8Array(der.subarray(der.length - 32));
}

/** What is encrypted to get a bare key stream. */
const ZEROS = new Uint8Array(1 << 18);
/** Imported Ed25519 public keys: the pinned keys of a round are used again and again. */
const imported = new WeakMap<Uint8Array, { readonly raw: Uint8Array; readonly key: nodeCrypto.KeyObject }>();

function ed25519PublicKey(raw: Uint8Array): nodeCrypto.KeyObject {
  const known = imported.get(raw);
  if (known !== undefined && equalBytes(known.raw, raw)) return known.key;
  if (isSmallOrderEd25519(raw)) throw new RangeError("an Ed25519 key of small order");
  const key = publicKey(ED25519_PUBLIC, raw);
  imported.set(raw, { raw: raw.slice(), key });
  return key;
}

/** node:crypto takes the 32-bit block counter as the first four bytes of a 16-byte initial vector. */
function streamOf(key: Uint8Array, initial: Uint8Array, total: number): (length: number) => Uint8Array {
  const cipher = nodeCrypto.createCipheriv("chacha20", key, initial);
  let left = total;
  return (length) => {
    const stream = cipher.update(length <= ZEROS.length ? ZEROS.subarray(0, length) : new Uint8Array(length));
    left -= length;
    if (left === 0) cipher.final(); // releases the native cipher
    return bytesOf(stream);
  };
}

const AEAD = "chacha20-poly1305";
const AEAD_OPTIONS = { authTagLength: TAG_BYTES };

/** SA1 by node:crypto. The default. */
export const nativeProvider: CryptoProvider = {
  name: "native",
  sha256: (...parts) => {
    const hash = nodeCrypto.createHash("sha256");
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },
  hkdf: (ikm, salt, info, length) => new Uint8Array(nodeCrypto.hkdfSync("sha256", ikm, salt, info, length)),
  x25519PublicKey: (secretKey) => rawPublic(privateKey(X25519_PRIVATE, secretKey)),
  x25519: (secretKey) => {
    const own = privateKey(X25519_PRIVATE, secretKey);
    return (peer) => {
      if (!isCanonicalX25519(peer)) return undefined;
      try {
        const shared = bytesOf(
          nodeCrypto.diffieHellman({ privateKey: own, publicKey: publicKey(X25519_PUBLIC, peer) }),
        );
        return isAllZero(shared) ? undefined : shared;
      } catch {
        return undefined;
      }
    };
  },
  ed25519PublicKey: (seed) => rawPublic(privateKey(ED25519_PRIVATE, seed)),
  ed25519Sign: (seed, message) =>
    new Uint8Array(nodeCrypto.sign(null, message, privateKey(ED25519_PRIVATE, seed))),
  ed25519Verify: (key, message, signature) => {
    if (key.length !== 32 || signature.length !== 64) return false;
    try {
      return nodeCrypto.verify(null, message, ed25519PublicKey(key), signature);
    } catch {
      return false;
    }
  },
  seal: (key, nonce, aad, plaintext) => {
    const cipher = nodeCrypto.createCipheriv(AEAD, key, nonce, AEAD_OPTIONS);
    cipher.setAAD(aad, { plaintextLength: plaintext.length });
    const body = cipher.update(plaintext);
    cipher.final();
    return concatBytes(body, cipher.getAuthTag());
  },
  open: (key, nonce, aad, sealed) => {
    if (sealed.length < TAG_BYTES) return undefined;
    try {
      const decipher = nodeCrypto.createDecipheriv(AEAD, key, nonce, AEAD_OPTIONS);
      decipher.setAAD(aad, { plaintextLength: sealed.length - TAG_BYTES });
      decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
      const body = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
      decipher.final();
      return bytesOf(body);
    } catch {
      return undefined;
    }
  },
  chacha20: (key, nonce, counter, length) => streamOf(key, concatBytes(u32(counter), nonce), length)(length),
  keyStream: (key, counter, total) => {
    const initial = new Uint8Array(16);
    initial.set(u32(counter));
    return streamOf(key, initial, total);
  },
};
