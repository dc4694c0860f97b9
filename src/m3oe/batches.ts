import type { SeededRandom } from "../tensor/seeded_random.ts";
import type { EncodedSample } from "./encoded_sample.ts";

/** Samples of one task with the same modalities and token counts. */
export type Batch = readonly EncodedSample[];

/** Samples are sorted by length within windows of so many batches: little padding, and still a random order. */
const WINDOW = 8;

/**
 * Batches for training: one task and one modality layout per batch, lengths alike, order random.
 *
 * @param samples encoded samples
 * @param size samples per batch
 * @param random seeded source
 * @returns batches in training order
 */
export function trainingBatches(
  samples: readonly EncodedSample[],
  size: number,
  random: SeededRandom,
): Batch[] {
  const batches: Batch[] = [];
  for (const group of groupBy(samples, layoutKey)) {
    random.shuffle(group);
    for (const window of chunks(group, size * WINDOW)) {
      const sorted = [...window].sort((a, b) => length(a) - length(b) || a.index - b.index);
      batches.push(...chunks(sorted, size));
    }
  }
  random.shuffle(batches);
  return batches;
}

/**
 * Batches for inference: all samples of a batch have the same length, so that none is padded.
 *
 * @param samples encoded samples
 * @param size samples per batch
 * @returns batches; the samples' `index` leads back to the caller's order
 */
export function equalLengthBatches(samples: readonly EncodedSample[], size: number): Batch[] {
  const groups = groupBy(samples, (sample) => `${layoutKey(sample)}|${sample.suffix.length}`);
  return groups.flatMap((group) => chunks(group, size));
}

function layoutKey({ task, modalities }: EncodedSample): string {
  return JSON.stringify([task.name, ...modalities.map(({ modality, count }) => [modality, count])]);
}

function length({ suffix, answer }: EncodedSample): number {
  return suffix.length + answer.length;
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): T[][] {
  return [...Map.groupBy(items, key).values()];
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size));
}
