/** The sum modulo 2^32, as secure aggregation reveals it. */
export function ringVectorSum(vectors: readonly Uint32Array[]): Uint32Array {
  const sum = new Uint32Array(vectors[0].length);
  for (const vector of vectors) vector.forEach((word, i) => sum[i] += word);
  return sum;
}
