import { equalBytes } from "./_bytes.ts";
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

/** The first 48 bits as a number: keys and signatures are random, so it tells those of one simulation apart. */
const prefixOf = (bytes: Uint8Array): number =>
  (bytes[0] + bytes[1] * 2 ** 8 + bytes[2] * 2 ** 16) * 2 ** 24 + bytes[3] + bytes[4] * 2 ** 8 +
  bytes[5] * 2 ** 16;

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
  const { length } = info;
  return info[length - 4] + info[length - 3] * 2 ** 8 + info[length - 2] * 2 ** 16 +
    info[length - 1] * 2 ** 24;
}

/**
 * Gives both ends of a pair the one shared secret and its keys that were computed first, and checks a valid signature that many sites
 * get to see only once. Everything else, and every first time, is real work. For simulations only: it keeps secrets.
 */
export function meteredProvider(inner: CryptoProvider): MeteredProvider {
  const saved: SavedWork = { agreements: 0, derivations: 0, verifications: 0 };
  /** Number of a public key, by the prefix of the public or of the secret key. */
  const numbers = new Map<number, number>();
  const waiting = new Map<number, Uint8Array>();
  const checked = new Map<number, Checked>();
  const register = (publicKey: Uint8Array, secret: Uint8Array): void => {
    const number = numbers.get(prefixOf(publicKey)) ?? numbers.size;
    numbers.set(prefixOf(publicKey), number).set(prefixOf(secret), number);
  };
  /** Shared secrets that are out, and what was derived from them, by their prefix. */
  const derived = new Map<number, Derived[]>();
  const provider: CryptoProvider = {
    ...inner,
    hkdf: (ikm, salt, info, length) => {
      const keys = derived.get(prefixOf(ikm));
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
      if (keys.length === 0) derived.delete(prefixOf(ikm));
      return key;
    },
    x25519PublicKey: (secret) => {
      const publicKey = inner.x25519PublicKey(secret);
      register(publicKey, secret);
      return publicKey;
    },
    x25519: (secret) => {
      const own = numbers.get(prefixOf(secret));
      const agree = inner.x25519(secret);
      return (peer) => {
        const other = numbers.get(prefixOf(peer));
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
          derived.set(prefixOf(shared), []);
        }
        return shared;
      };
    },
    ed25519Verify: (publicKey, message, signature) => {
      const before = checked.get(prefixOf(signature));
      if (
        before !== undefined && equalBytes(before.signature, signature) &&
        equalBytes(before.publicKey, publicKey) && equalBytes(before.message, message)
      ) {
        saved.verifications++;
        return true;
      }
      const verdict = inner.ed25519Verify(publicKey, message, signature);
      if (verdict && message.length < LONG) {
        checked.set(prefixOf(signature), { publicKey, message, signature });
      }
      return verdict;
    },
  };
  return { provider, saved, register };
}

/** Longer messages are seen by the server alone. */
const LONG = 1000;
