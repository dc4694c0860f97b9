import type { SeededRandom } from "../tensor/seeded_random.ts";
import type { Batch } from "./batches.ts";
import type { EncodedSample } from "./encoded_sample.ts";
import { logitOf, probabilityOf } from "./teacher_spread.ts";

/**
 * Replaces each sample of a batch by a random point of the line through it and another one: tokens x' = l x1 +
 * (1 - l) x2, teacher's logit z' = l z1 + (1 - l) z2, with l uniform in [-reach, 1 + reach]. A federated head is a
 * linear map of its modalities' mean token, so its answer to x' is exactly z': a few hundred public records become as
 * many points as there are steps, and the head's plane is learnt instead of its values at the records (mixup, Zhang et
 * al. 2018, with a teacher in place of labels).
 *
 * Samples without a sure partner stay as they are: without a teacher, or where the two lack different tokens.
 *
 * @param batch samples of one task and layout
 * @param reach how far beyond the two samples a point may lie, in units of their distance; 0 for no mixing
 * @param random seeded source
 * @returns as many samples
 */
export function mixTaught(batch: Batch, reach: number, random: SeededRandom): Batch {
  if (reach === 0) return batch;
  return batch.map((sample) => {
    const other = batch[random.integer(batch.length)];
    const lambda = random.next() * (1 + 2 * reach) - reach;
    if (sample.teacher === undefined || other.teacher === undefined) return sample;
    if (lacking(sample) !== lacking(other)) return sample;
    const logit = lambda * logitOf(sample.teacher) + (1 - lambda) * logitOf(other.teacher);
    const modalities = sample.modalities.map((modality, slot) => {
      const { tokens } = other.modalities[slot];
      return { ...modality, tokens: modality.tokens.map((x, i) => lambda * x + (1 - lambda) * tokens[i]) };
    });
    return { ...sample, modalities, teacher: probabilityOf(logit) };
  });
}

/** Which of a sample's tokens hold nothing. */
function lacking({ modalities }: EncodedSample): string {
  return modalities.flatMap(({ tokens, count }) => {
    const width = tokens.length / count;
    return Array.from({ length: count }, (_, t) => {
      return tokens.subarray(t * width, (t + 1) * width).every((value) => value === 0) ? "0" : "1";
    });
  }).join("");
}
