import type { SeededRandom } from "../tensor/seeded_random.ts";
import type { Batch } from "./batches.ts";
import type { EncodedSample } from "./encoded_sample.ts";
import { answerAt, meanToken, type TeacherPlane } from "./teacher_plane.ts";
import { logitOf, probabilityOf } from "./teacher_spread.ts";

/** A random point of the line from another sample, at 0, to a sample, at 1. */
interface LinePoint {
  readonly other: EncodedSample;
  readonly lambda: number;
}

/**
 * Replaces each sample of a batch by a random point of the line through it and another one: tokens x' = l x1 +
 * (1 - l) x2, teacher's logit z' = l z1 + (1 - l) z2, with l uniform in [-reach, 1 + reach]. A federated head is a
 * linear map of its modalities' mean token, so its answer to x' is exactly z': a few hundred public records become as
 * many points as there are steps, and the head's plane is learnt instead of its values at the records (mixup, Zhang et
 * al. 2018, with a teacher in place of labels).
 *
 * Such points stay in the span of the records. With the teacher's plane, each token is instead a point of a line of
 * its own, with its own partner and l, and the plane answers for their mean.
 *
 * Samples without a sure partner stay as they are: without a teacher, or where the two lack different tokens. With a
 * plane such a partner leaves only those tokens as they are that one of the two lacks.
 *
 * @param batch samples of one task and layout
 * @param reach how far beyond the two samples a point may lie, in units of their distance; 0 for no mixing
 * @param random seeded source
 * @param plane the teacher of the batch's task, to mix token by token
 * @returns as many samples
 */
export function mixTaught(batch: Batch, reach: number, random: SeededRandom, plane?: TeacherPlane): Batch {
  if (reach === 0) return batch;
  const draw = (): LinePoint => ({
    other: batch[random.integer(batch.length)],
    lambda: random.next() * (1 + 2 * reach) - reach,
  });
  return batch.map((sample) =>
    plane === undefined ? betweenRecords(sample, draw()) : betweenTokens(sample, draw, plane)
  );
}

function betweenRecords(sample: EncodedSample, { other, lambda }: LinePoint): EncodedSample {
  if (sample.teacher === undefined || other.teacher === undefined) return sample;
  if (lacking(sample) !== lacking(other)) return sample;
  const logit = lambda * logitOf(sample.teacher) + (1 - lambda) * logitOf(other.teacher);
  const modalities = sample.modalities.map((modality, slot) => {
    return { ...modality, tokens: pointOf(modality.tokens, other.modalities[slot].tokens, lambda) };
  });
  return { ...sample, modalities, teacher: probabilityOf(logit) };
}

function betweenTokens(sample: EncodedSample, draw: () => LinePoint, plane: TeacherPlane): EncodedSample {
  if (sample.teacher === undefined) return sample;
  const modalities = sample.modalities.map((modality, slot) => {
    const tokens = modality.tokens.slice();
    const width = tokens.length / modality.count;
    for (let t = 0; t < modality.count; t++) {
      const { other, lambda } = draw();
      const own = tokens.subarray(t * width, (t + 1) * width);
      const theirs = other.modalities[slot].tokens.subarray(t * width, (t + 1) * width);
      if (isEmpty(own) || isEmpty(theirs)) continue;
      own.set(pointOf(own, theirs, lambda));
    }
    return { ...modality, tokens };
  });
  const mean = meanToken({ modalities });
  return mean === undefined
    ? sample
    : { ...sample, modalities, teacher: probabilityOf(answerAt(plane, mean)) };
}

function pointOf(one: Float32Array, two: Float32Array, lambda: number): Float32Array {
  return one.map((value, i) => lambda * value + (1 - lambda) * two[i]);
}

/** Which of a sample's tokens hold nothing. */
function lacking({ modalities }: EncodedSample): string {
  return modalities.flatMap(({ tokens, count }) => {
    const width = tokens.length / count;
    return Array.from({ length: count }, (_, t) => {
      return isEmpty(tokens.subarray(t * width, (t + 1) * width)) ? "0" : "1";
    });
  }).join("");
}

function isEmpty(token: Float32Array): boolean {
  return token.every((value) => value === 0);
}
