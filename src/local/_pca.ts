import type { SeededRandom } from "../tensor/seeded_random.ts";

/** The leading eigenpairs of a covariance matrix. */
export interface PrincipalComponents {
  /** Unit directions, row-major [count][features], by falling variance. */
  readonly directions: Float64Array;
  /** Variance along each direction. */
  readonly variances: Float64Array;
}

const OVERSAMPLING = 8;
const LONGEST = 30;
const TOLERANCE = 1e-5;

/**
 * Principal components of centred rows by subspace iteration (Halko, Martinsson and Tropp 2011, section 4.5):
 * never forms the covariance matrix and depends only on the data and the seed.
 *
 * @param rows centred data, row-major [count][features]
 * @param features row length
 * @param wanted number of components; fewer come back when the data has lower rank
 */
export function principalComponents(
  rows: Float64Array,
  features: number,
  wanted: number,
  random: SeededRandom,
): PrincipalComponents {
  const count = rows.length / features;
  const size = Math.min(features, count, wanted + OVERSAMPLING);
  let subspace = orthonormal(Float64Array.from({ length: size * features }, () => random.normal()), features);
  let variances: Float64Array = new Float64Array(size);
  for (let iteration = 0; iteration < LONGEST; iteration++) {
    const image = applyCovariance(rows, features, subspace);
    const small = products(subspace, image, features);
    const { values, vectors } = symmetricEigen(small, size);
    const change = values.slice(0, wanted).reduce(
      (worst, v, i) => Math.max(worst, Math.abs(v - variances[i])),
      0,
    );
    variances = values;
    const done = change <= TOLERANCE * Math.max(values[0], Number.MIN_VALUE);
    subspace = done
      ? combine(vectors, subspace, features)
      : orthonormal(combine(vectors, image, features), features);
    if (done) break;
  }
  let kept = Math.min(wanted, size);
  while (kept > 0 && !(variances[kept - 1] > 1e-9 * variances[0])) kept--;
  const directions = subspace.slice(0, kept * features);
  for (let k = 0; k < kept; k++) fixSign(directions.subarray(k * features, (k + 1) * features));
  return { directions, variances: variances.slice(0, kept) };
}

/** X^T X v / (count - 1) for every row v of the subspace. */
function applyCovariance(rows: Float64Array, features: number, subspace: Float64Array): Float64Array {
  const count = rows.length / features;
  const out = new Float64Array(subspace.length);
  for (let r = 0; r < count; r++) {
    const row = rows.subarray(r * features, (r + 1) * features);
    for (let k = 0; k < subspace.length; k += features) {
      const weight = dot(row, subspace.subarray(k, k + features)) / Math.max(1, count - 1);
      for (let f = 0; f < features; f++) out[k + f] += weight * row[f];
    }
  }
  return out;
}

/** Gram-Schmidt, twice for accuracy; rows without a rest become zero. */
function orthonormal(rows: Float64Array, features: number): Float64Array {
  for (let k = 0; k < rows.length; k += features) {
    const row = rows.subarray(k, k + features);
    const before = Math.sqrt(dot(row, row));
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < k; j += features) {
        const other = rows.subarray(j, j + features);
        const share = dot(row, other);
        for (let f = 0; f < features; f++) row[f] -= share * other[f];
      }
    }
    const length = Math.sqrt(dot(row, row));
    const scale = length > 1e-12 * before ? 1 / length : 0;
    for (let f = 0; f < features; f++) row[f] *= scale;
  }
  return rows;
}

function products(a: Float64Array, b: Float64Array, features: number): Float64Array {
  const size = a.length / features;
  const out = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      out[i * size + j] = dot(
        a.subarray(i * features, (i + 1) * features),
        b.subarray(j * features, (j + 1) * features),
      );
    }
  }
  return out;
}

/** Rows weighted by eigenvectors: out[k] = sum_i vectors[i][k] rows[i]. */
function combine(vectors: Float64Array, rows: Float64Array, features: number): Float64Array {
  const size = rows.length / features;
  const out = new Float64Array(rows.length);
  for (let k = 0; k < size; k++) {
    for (let i = 0; i < size; i++) {
      const weight = vectors[i * size + k];
      for (let f = 0; f < features; f++) out[k * features + f] += weight * rows[i * features + f];
    }
  }
  return out;
}

/**
 * Cyclic Jacobi rotations (Golub and Van Loan, section 8.5) on the symmetric part; eigenvalues by falling
 * size.
 */
function symmetricEigen(matrix: Float64Array, n: number): { values: Float64Array; vectors: Float64Array } {
  const a = Float64Array.from(matrix, (_, at) => {
    const i = Math.floor(at / n), j = at % n;
    return (matrix[i * n + j] + matrix[j * n + i]) / 2;
  });
  const v = Float64Array.from(a, (_, at) => (Math.floor(at / n) === at % n ? 1 : 0));
  for (let sweep = 0; sweep < 30; sweep++) {
    let off = 0, diagonal = 0;
    for (let i = 0; i < n; i++) {
      diagonal += a[i * n + i] ** 2;
      for (let j = 0; j < i; j++) off += a[i * n + j] ** 2;
    }
    if (off <= 1e-24 * diagonal) break;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(a, v, n, p, q);
  }
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => a[j * n + j] - a[i * n + i]);
  const vectors = new Float64Array(n * n);
  order.forEach((from, to) => {
    for (let i = 0; i < n; i++) vectors[i * n + to] = v[i * n + from];
  });
  return { values: Float64Array.from(order, (i) => a[i * n + i]), vectors };
}

function rotate(a: Float64Array, v: Float64Array, n: number, p: number, q: number): void {
  const apq = a[p * n + q];
  if (apq === 0) return;
  const theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1), s = t * c;
  for (let k = 0; k < n; k++) {
    const kp = a[k * n + p], kq = a[k * n + q];
    a[k * n + p] = c * kp - s * kq;
    a[k * n + q] = s * kp + c * kq;
  }
  for (let k = 0; k < n; k++) {
    const pk = a[p * n + k], qk = a[q * n + k];
    a[p * n + k] = c * pk - s * qk;
    a[q * n + k] = s * pk + c * qk;
    const kp = v[k * n + p], kq = v[k * n + q];
    v[k * n + p] = c * kp - s * kq;
    v[k * n + q] = s * kp + c * kq;
  }
}

/** An eigenvector's sign is free: the entry of greatest size is made positive. */
function fixSign(direction: Float64Array): void {
  let greatest = 0;
  for (const value of direction) if (Math.abs(value) > Math.abs(greatest)) greatest = value;
  if (greatest < 0) direction.forEach((value, index) => direction[index] = -value);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index] * b[index];
  return sum;
}
