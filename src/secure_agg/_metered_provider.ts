import { equalBytes, prefix48 } from "./_bytes.ts";
import type { CryptoProvider } from "./crypto_provider.ts";

/** Work that a simulation does once although two or more parties would do it. */
export interface SavedWork {
  /** X25519 agreements. */
  agreements: number;
  /** Keys derived by HKDF from an agreement. */
  derivations: number;
  /** Ed25519 verifications. */
  verifications: number;
}

/** A provider for many parties in one process. */
export interface MeteredProvider {
  /** The provider to give to all parties. */
  readonly provider: CryptoProvider;
  /** What was not computed again since the start. */
  readonly saved: SavedWork;
  /** Makes the X25519 key pair of a party known that was not made by this provider. */
  readonly register: (publicKey: Uint8Array, secret: Uint8Array) => void;
}

/** A signature that was checked. */
interface Checked {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** A key that one end of a pair has derived and the other has not. */
interface Derived {
  /** The two indices at the end of the info, which tell the keys of one agreement apart. */
  readonly ends: number;
  readonly key: Uint8Array;
}

/** The last four bytes. */
function endsOf(info: Uint8Array): number {
  const { buffer, byteOffset, length } = info;
  return new DataView(buffer, byteOffset + length - 4).getInt32(0);
}

/**
 * Gives both ends of a pair the one shared secret and its keys that were computed first, and checks a valid signature
 * that many sites get to see only once. Keys and signatures are random, so their first 48 bits tell those of one
 * simulation apart. Everything else, and every first time, is real work. For simulations only: it keeps secrets.
 */
export function meteredProvider(inner: CryptoProvider): MeteredProvider {
  const saved: SavedWork = { agreements: 0, derivations: 0, verifications: 0 };
  /** Number of a public key, by the prefix of the public or of the secret key. */
  const numbers = new Map<number, number>();
  const waiting = new Map<number, Uint8Array>();
  const checked = new Map<number, Checked>();
  const register = (publicKey: Uint8Array, secret: Uint8Array): void => {
    const number = numbers.get(prefix48(publicKey)) ?? numbers.size;
    numbers.set(prefix48(publicKey), number).set(prefix48(secret), number);
  };
  /** Shared secrets that are out, and what was derived from them, by their prefix. */
  const derived = new Map<number, Derived[]>();
  const provider: CryptoProvider = {
    ...inner,
    hkdf: (ikm, salt, info, length) => {
      const keys = derived.get(prefix48(ikm));
      if (keys === undefined) return inner.hkdf(ikm, salt, info, length);
      const ends = endsOf(info);
      const known = keys.findIndex((key) => key.ends === ends);
      if (known < 0) {
        const key = inner.hkdf(ikm, salt, info, length);
        keys.push({ ends, key: key.slice() });
        return key;
      }
      saved.derivations++;
      const [{ key }] = keys.splice(known, 1);
      if (keys.length === 0) derived.delete(prefix48(ikm));
      return key;
    },
    x25519PublicKey: (secret) => {
      const publicKey = inner.x25519PublicKey(secret);
      register(publicKey, secret);
      return publicKey;
    },
    x25519: (secret) => {
      const own = numbers.get(prefix48(secret));
      const agree = inner.x25519(secret);
      return (peer) => {
        const other = numbers.get(prefix48(peer));
        if (own === undefined || other === undefined) return agree(peer);
        const pair = Math.min(own, other) * 2 ** 26 + Math.max(own, other);
        const before = waiting.get(pair);
        if (before !== undefined) {
          waiting.delete(pair);
          saved.agreements++;
          return before;
        }
        const shared = agree(peer);
        if (shared !== undefined) {
          waiting.set(pair, shared.slice());
          derived.set(prefix48(shared), []);
        }
        return shared;
      };
    },
    ed25519Verify: (publicKey, message, signature) => {
      const before = checked.get(prefix48(signature));
      if (
        before !== undefined && equalBytes(before.signature, signature) &&
        equalBytes(before.publicKey, publicKey) && equalBytes(before.message, message)
      ) {
        saved.verifications++;
        return true;
      }
      const verdict = inner.ed25519Verify(publicKey, message, signature);
      if (verdict && message.length < LONG) {
        checked.set(prefix48(signature), { publicKey, message, signature });
      }
      return verdict;
    },
  };
  return { provider, saved, register };
}

/** Longer messages are seen by the server alone. */
const LONG = 1000;
