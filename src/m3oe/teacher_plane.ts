import type { EncodedSample } from "./encoded_sample.ts";
import { logitOf } from "./teacher_spread.ts";

/** A teacher that is an affine map of the mean over a record's tokens: logit = weight . mean + bias. */
export interface TeacherPlane {
  /** One per token feature. */
  readonly weight: Float64Array;
  /** The logit of a record whose mean token is 0. */
  readonly bias: number;
}

/** A point in the space of mean tokens, and the teacher's logit there. */
interface Answer {
  readonly mean: Float64Array;
  readonly logit: number;
}

/** Largest error on answers that a plane was not fitted to, in units of their standard deviation. */
const TOLERANCE = 1e-2;

/** Added to the diagonal of the normal equations, relative to its mean: features may be constant or repeat. */
const RIDGE = 1e-10;

/**
 * The planes on which teachers answer, by task. A federated task head is an affine map of its modalities' mean token
 * (`headLogits` of the local model), so its answers to a few dozen records tell what it answers to any tokens. A plane
 * that is fitted to every other answer has to give the rest: tasks whose teacher is of another kind, or that have too
 * few answers to fix it, get none.
 *
 * @param samples training samples with their teachers' answers
 * @returns planes by task name
 */
export function teacherPlanes(samples: readonly EncodedSample[]): ReadonlyMap<string, TeacherPlane> {
  const planes = new Map<string, TeacherPlane>();
  for (const [name, group] of Map.groupBy(samples, ({ task }) => task.name)) {
    const answers = answersOf(group);
    if (answers === undefined) continue;
    const half = planeThrough(answers.filter((_, index) => index % 2 === 0));
    const rest = answers.filter((_, index) => index % 2 === 1);
    const error = Math.sqrt(meanOf(rest.map(({ mean, logit }) => (answerAt(half, mean) - logit) ** 2)));
    if (error <= TOLERANCE * deviationOf(rest.map(({ logit }) => logit))) {
      planes.set(name, planeThrough(answers));
    }
  }
  return planes;
}

/**
 * What a teacher answers.
 *
 * @param plane the teacher
 * @param mean mean token of a record
 * @returns the logit
 */
export function answerAt({ weight, bias }: TeacherPlane, mean: Float64Array): number {
  return mean.reduce((sum, value, feature) => sum + value * weight[feature], bias);
}

/**
 * Mean over the tokens that a record has; those that hold nothing are left out, as a head leaves them out.
 *
 * @param sample the record
 * @returns one value per feature, or undefined where the modalities' tokens differ in width
 */
export function meanToken({ modalities }: Pick<EncodedSample, "modalities">): Float64Array | undefined {
  const rows = modalities.flatMap(({ tokens, count }) => {
    const width = tokens.length / count;
    return Array.from({ length: count }, (_, t) => tokens.subarray(t * width, (t + 1) * width));
  });
  if (rows.length === 0 || rows.some(({ length }) => length !== rows[0].length)) return undefined;
  const there = rows.filter((row) => row.some((value) => value !== 0));
  const mean = new Float64Array(rows[0].length);
  for (const row of there) row.forEach((value, feature) => mean[feature] += value / there.length);
  return mean;
}

/** The answers of one task's teacher; undefined where there are hardly any, or no mean token. */
function answersOf(samples: readonly EncodedSample[]): Answer[] | undefined {
  const taught = samples.filter(({ teacher }) => teacher !== undefined);
  const means = taught.map(meanToken);
  const width = means[0]?.length;
  if (taught.length < 4 || means.some((mean) => mean === undefined || mean.length !== width)) {
    return undefined;
  }
  return taught.map(({ teacher }, index) => ({ mean: means[index]!, logit: logitOf(teacher!) }));
}

/** Least squares by the normal equations of the centred answers. */
function planeThrough(answers: readonly Answer[]): TeacherPlane {
  const width = answers[0].mean.length;
  const centre = new Float64Array(width);
  for (const { mean } of answers) mean.forEach((value, i) => centre[i] += value / answers.length);
  const level = meanOf(answers.map(({ logit }) => logit));
  // Below the diagonal and on it: all that the factorisation reads.
  const normal = Array.from({ length: width }, () => new Float64Array(width));
  const moment = new Float64Array(width);
  for (const { mean, logit } of answers) {
    const row = mean.map((value, i) => value - centre[i]);
    for (let i = 0; i < width; i++) {
      moment[i] += row[i] * (logit - level);
      for (let j = 0; j <= i; j++) normal[i][j] += row[i] * row[j];
    }
  }
  const ridge = RIDGE * meanOf(normal.map((row, i) => row[i])) + Number.MIN_VALUE;
  normal.forEach((row, i) => row[i] += ridge);
  const weight = solvePositive(normal, moment);
  return { weight, bias: level - centre.reduce((sum, value, i) => sum + value * weight[i], 0) };
}

/** Solves a x = b for a symmetric positive definite matrix by its Cholesky factor, which overwrites `a`. */
function solvePositive(a: readonly Float64Array[], b: Float64Array): Float64Array {
  const dot = (i: number, j: number, until: number): number => {
    let sum = 0;
    for (let k = 0; k < until; k++) sum += a[i][k] * a[j][k];
    return sum;
  };
  a.forEach((row, i) => {
    for (let j = 0; j < i; j++) row[j] = (row[j] - dot(i, j, j)) / a[j][j];
    // Rounding may leave a feature that repeats others with nothing of its own: it then gets no weight.
    row[i] = Math.sqrt(Math.max(row[i] - dot(i, i, i), 0)) || Infinity;
  });
  const x = b.slice();
  for (let i = 0; i < x.length; i++) {
    for (let k = 0; k < i; k++) x[i] -= a[i][k] * x[k];
    x[i] /= a[i][i];
  }
  for (let i = x.length - 1; i >= 0; i--) {
    for (let k = i + 1; k < x.length; k++) x[i] -= a[k][i] * x[k];
    x[i] /= a[i][i];
  }
  return x;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviationOf(values: readonly number[]): number {
  const mean = meanOf(values);
  return Math.sqrt(meanOf(values.map((value) => (value - mean) ** 2)));
}
