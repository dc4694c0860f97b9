import { taggedHash } from "./_tagged_hash.ts";
import type { CryptoProvider } from "./crypto_provider.ts";

/** Who shares secrets and masks with whom. */
export type Graph =
  | {
    /** Everybody with everybody: k = n - 1. */
    readonly kind: "full";
  }
  | {
    /** A ring (Harary graph) after a random permutation: neighbours at distance 1 to degree / 2 on both sides. */
    readonly kind: "ring";
    /** Even number k of neighbours. */
    readonly degree: number;
  };

/** Closed neighbourhoods of all sites. */
export interface Neighbourhoods {
  /** Number of sites. */
  readonly n: number;
  /** True on the full graph. */
  readonly complete: boolean;
  /** Sorted indices of i and its neighbours; the Shamir coordinate of `closed(i)[r]` for i's secrets is r + 1. */
  closed(index: number): readonly number[];
}

/** The full graph over n sites. */
export function fullGraph(n: number): Neighbourhoods {
  const all = Array.from({ length: n }, (_, i) => i);
  return { n, complete: true, closed: () => all };
}

/**
 * A permutation of 0..n-1 that everybody computes alike: Fisher-Yates from the top, fed by 32-bit words of the
 * ChaCha20 key stream of SHA-256(sid), with rejection so that every permutation is equally likely.
 */
export function graphPermutation(provider: CryptoProvider, sid: Uint8Array, n: number): Uint16Array {
  const key = taggedHash(provider, "graph", sid);
  const nonce = new Uint8Array(12);
  const blocks = Math.max(1, Math.ceil(n / 8)); // twice the words that are needed without rejection
  let words = new Uint32Array(0);
  let position = 0;
  let counter = 0;
  const next = (): number => {
    if (position === words.length) {
      words = new Uint32Array(provider.chacha20(key, nonce, counter, 64 * blocks).slice().buffer);
      counter += blocks;
      position = 0;
    }
    return words[position++];
  };
  const permutation = new Uint16Array(n);
  for (let i = 0; i < n; i++) permutation[i] = i;
  for (let i = n - 1; i > 0; i--) {
    const limit = Math.floor(2 ** 32 / (i + 1)) * (i + 1);
    let word = next();
    while (word >= limit) word = next();
    const j = word % (i + 1);
    const swapped = permutation[i];
    permutation[i] = permutation[j];
    permutation[j] = swapped;
  }
  return permutation;
}

/**
 * The ring of SecAgg+ (Bell et al. 2020): the site at position p has the sites at p +- 1 .. degree / 2 as neighbours.
 * @param degree even, below n - 1
 */
export function ringGraph(
  provider: CryptoProvider,
  sid: Uint8Array,
  n: number,
  degree: number,
): Neighbourhoods {
  const atPosition = graphPermutation(provider, sid, n);
  const positionOf = new Uint16Array(n);
  for (let position = 0; position < n; position++) positionOf[atPosition[position]] = position;
  const cache = new Map<number, readonly number[]>();
  const closed = (index: number): readonly number[] => {
    let list = cache.get(index);
    if (list === undefined) {
      const found: number[] = [];
      for (let step = -degree / 2; step <= degree / 2; step++) {
        found.push(atPosition[(positionOf[index] + step + n) % n]);
      }
      list = found.sort((a, b) => a - b);
      cache.set(index, list);
    }
    return list;
  };
  return { n, complete: false, closed };
}
