import { cryptoRandomBytes, type RandomBytes } from "../formats/random_bytes.ts";
import { compareBytes, utf8 } from "./_bytes.ts";
import { framed, taggedHash } from "./_tagged_hash.ts";
import type { CryptoProvider } from "./crypto_provider.ts";
import { FedKimError } from "../formats/errors.ts";
import { nativeProvider } from "./native_provider.ts";
import { randomSecret } from "./randomness.ts";
import { SecretBytes } from "./secret_bytes.ts";

/** An enrolled party: a name and its long-term Ed25519 key pair. */
export interface Identity {
  /** Name: 1 to 64 characters of A-Z, a-z, 0-9, dot, underscore and hyphen. */
  readonly id: string;
  /** Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Ed25519 seed, 32 bytes. */
  readonly privateKey: SecretBytes;
}

/** The enrolled sites: client id to pinned Ed25519 public key. */
export type Enrolled = ReadonlyMap<string, Uint8Array>;

const CLIENT_ID = /^[A-Za-z0-9._-]{1,64}$/;

/** True for a legal client id. */
export function isClientId(id: string): boolean {
  return CLIENT_ID.test(id);
}

/**
 * Makes a new identity.
 * @throws FedKimError ConfigError if the id is not legal
 */
export function generateIdentity(id: string, random: RandomBytes = cryptoRandomBytes): Identity {
  return identityFromPrivateKey(id, randomSecret(random, 32));
}

/**
 * Rebuilds an identity from its stored 32-byte Ed25519 seed.
 * @throws FedKimError ConfigError if the id or the length is wrong
 */
export function identityFromPrivateKey(
  id: string,
  privateKey: Uint8Array,
  provider: CryptoProvider = nativeProvider,
): Identity {
  if (!isClientId(id)) {
    throw new FedKimError("ConfigError", "A client id is not legal.", {
      found: JSON.stringify(id),
      needed: "1 to 64 characters of A-Z, a-z, 0-9, dot, underscore, hyphen",
    });
  }
  if (privateKey.length !== 32) {
    throw new FedKimError("ConfigError", "An Ed25519 private key has the wrong length.", {
      found: `${privateKey.length} bytes`,
      needed: "32 bytes",
    });
  }
  const seed = privateKey.slice();
  return { id, publicKey: provider.ed25519PublicKey(seed), privateKey: new SecretBytes(seed) };
}

/**
 * Signs bytes under a label. The label is part of what is signed, so a signature made for one purpose is
 * never valid for another.
 */
export function signLabelled(
  identity: Identity,
  label: string,
  bytes: Uint8Array,
  provider: CryptoProvider = nativeProvider,
): Uint8Array {
  return provider.ed25519Sign(identity.privateKey.reveal(), framed(`signature/${label}`, bytes));
}

/** True if the signature of these bytes under this label is valid; false for anything else, never an exception. */
export function verifyLabelled(
  publicKey: Uint8Array,
  label: string,
  bytes: Uint8Array,
  signature: Uint8Array,
  provider: CryptoProvider = nativeProvider,
): boolean {
  return provider.ed25519Verify(publicKey, framed(`signature/${label}`, bytes), signature);
}

/** SHA-256 over the enrolled sites, sorted by id: pins names and keys in the round configuration. */
export function enrolledHash(enrolled: Enrolled, provider: CryptoProvider = nativeProvider): Uint8Array {
  const sorted = [...enrolled].map(([id, key]) => [utf8(id), key] as const).sort((a, b) =>
    compareBytes(a[0], b[0])
  );
  return taggedHash(provider, "enrolled", ...sorted.flat());
}
