import type { EncodedSample } from "./encoded_sample.ts";

/** Probabilities are kept this far from 0 and 1, so that a sure teacher has a finite logit. */
const SUREST = 1e-15;

/**
 * Brings the teachers' logits of each task to mean 0 and one standard deviation. A head on a rare finding answers
 * near 0 for almost everybody, one on an easy finding near 0 or 1: the cross-entropy then says little about who is
 * more likely than whom, which is what the heads know. An affine map keeps that order; thresholds and calibration are
 * fitted afterwards in any case.
 *
 * @param samples training samples
 * @param spread wanted standard deviation of the logits; 0 leaves them as they are
 * @returns the samples, those with a teacher with another one
 */
export function spreadTeachers(samples: readonly EncodedSample[], spread: number): readonly EncodedSample[] {
  if (spread === 0) return samples;
  const taught = samples.filter(({ teacher }) => teacher !== undefined);
  const moments = new Map(
    [...Map.groupBy(taught, ({ task }) => task.name)].map(([name, group]) => [name, momentsOf(group)]),
  );
  return samples.map((sample) => {
    if (sample.teacher === undefined) return sample;
    const { mean, deviation } = moments.get(sample.task.name)!;
    return { ...sample, teacher: probabilityOf(spread * (logitOf(sample.teacher) - mean) / deviation) };
  });
}

function momentsOf(samples: readonly EncodedSample[]): { readonly mean: number; readonly deviation: number } {
  const logits = samples.map(({ teacher }) => logitOf(teacher!));
  const mean = logits.reduce((sum, logit) => sum + logit / logits.length, 0);
  const variance = logits.reduce((sum, logit) => sum + (logit - mean) ** 2 / logits.length, 0);
  // A teacher that says the same of everybody teaches that.
  return { mean, deviation: variance > 1e-12 ? Math.sqrt(variance) : 1 };
}

/** The logit of a probability. */
export function logitOf(probability: number): number {
  const p = Math.min(Math.max(probability, SUREST), 1 - SUREST);
  return Math.log(p) - Math.log1p(-p);
}

/** The probability of a logit. */
export function probabilityOf(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}
