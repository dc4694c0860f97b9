/** C(n, k), or `limit` + 1 if it is larger than `limit`. */
function chooseUpTo(n: number, k: number, limit: number): number {
  let count = 1;
  for (let i = 1; i <= Math.min(k, n - k); i++) {
    count = (count * (n - i + 1)) / i;
    if (count > limit) return limit + 1;
  }
  return Math.round(count);
}

/** A fixed scrambling of 32-bit integers, only to spread the tries over the subsets. */
function scramble(value: number): number {
  let x = (value + 0x9e3779b9) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}

/**
 * Subsets of `size` items: the first items first; then all others if there are at most `limit`, else `limit` of them
 * spread evenly. Always the same ones for the same input.
 */
export function* subsets<T>(items: readonly T[], size: number, limit: number): Generator<readonly T[]> {
  yield items.slice(0, size);
  const n = items.length;
  if (n === size) return;
  if (chooseUpTo(n, size, limit) <= limit) {
    yield* combinations(items, size);
    return;
  }
  for (let attempt = 1; attempt < limit; attempt++) {
    const order = items.map((item, i) => ({ item, i, rank: scramble(attempt * n + i) }));
    order.sort((a, b) => a.rank - b.rank);
    yield order.slice(0, size).sort((a, b) => a.i - b.i).map(({ item }) => item);
  }
}

/** All combinations after the first, in lexicographic order of positions. */
function* combinations<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  const positions = Array.from({ length: size }, (_, i) => i);
  for (;;) {
    let moved = size - 1;
    while (moved >= 0 && positions[moved] === items.length - size + moved) moved--;
    if (moved < 0) return;
    positions[moved]++;
    for (let i = moved + 1; i < size; i++) positions[i] = positions[i - 1] + 1;
    yield positions.map((position) => items[position]);
  }
}
