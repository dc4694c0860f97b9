import type { RandomBytes } from "../formats/random_bytes.ts";

/** A sampled unit with a fresh random key, which decides what it is worked on together with. */
export interface DealtUnit {
  /** Name of the unit. */
  readonly unit: string;
  /** 32 random bits, independent of all other units. */
  readonly key: number;
}

/**
 * Gives every sampled unit a key; the result is in rising order of keys.
 *
 * Keys are secret, fresh in every step and independent of the records. So the promise is argued for fixed keys, the
 * same for all other units with and without one unit: a mixture over keys is at least as private as the worst of them
 * (joint convexity of the hockey-stick divergence).
 */
export function drawKeys(chosen: readonly string[], randomBytes: RandomBytes): DealtUnit[] {
  const view = new DataView(randomBytes(4 * chosen.length).slice().buffer);
  return chosen.map((unit, index) => ({ unit, key: view.getUint32(4 * index) })).sort((a, b) =>
    a.key - b.key
  );
}

/**
 * Divides units into groups that fit, so that one unit more or less changes few groups: groups are the largest
 * subtrees of the binary tree of keys that fit. If a group that fits still does with fewer units, then taking one unit
 * away only joins groups into the largest subtree above it that fits now; every other group stays what it was. Cutting
 * a list into equal pieces would shift all pieces after that unit.
 *
 * @param sorted units in rising order of keys
 * @param fits whether units fit into one group; a unit alone is a group in any case
 */
export function* grouped(
  sorted: readonly DealtUnit[],
  fits: (group: readonly DealtUnit[]) => boolean,
  bit = 31,
): Generator<readonly DealtUnit[]> {
  if (sorted.length === 0) return;
  if (sorted.length === 1 || fits(sorted)) yield sorted;
  else if (bit < 0) { for (const unit of sorted) yield [unit]; }
  else {
    const upper = sorted.findIndex(({ key }) => ((key >>> bit) & 1) === 1);
    const cut = upper < 0 ? sorted.length : upper;
    yield* grouped(sorted.slice(0, cut), fits, bit - 1);
    yield* grouped(sorted.slice(cut), fits, bit - 1);
  }
}
