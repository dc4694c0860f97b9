import { warmupCosine } from "../tensor/mod.ts";
import { SeededRandom } from "../tensor/seeded_random.ts";
import { type Batch, trainingBatches } from "./batches.ts";
import type { InjectionConfig } from "./config.ts";
import type { EncodedSample } from "./encoded_sample.ts";
import { mixTasks } from "./mixing.ts";

/** All batches of a run by epoch: a pure function of samples, settings and seed, so a run can start anywhere. */
export type Schedule = readonly (readonly Batch[])[];

/**
 * Plans a run.
 *
 * @param samples encoded training samples
 * @param config mixing, batch size and epochs
 * @param seed seed of the order
 * @returns batches by epoch
 */
export function planEpochs(
  samples: readonly EncodedSample[],
  { mixing, batchSize, epochs }: InjectionConfig,
  seed: number,
): Schedule {
  const random = new SeededRandom(seed + 1);
  return Array.from(
    { length: epochs },
    () => trainingBatches(mixTasks(samples, mixing, random), batchSize, random),
  );
}

/** What a step draws random numbers for; each purpose has its own stream. */
export type StepPurpose = "token_noise" | "lora_dropout" | "expert_dropout" | "teacher_mixing";

const STREAMS: Readonly<Record<StepPurpose, number>> = {
  token_noise: 2,
  lora_dropout: 3,
  expert_dropout: 4,
  teacher_mixing: 5,
};

/**
 * The random source of one purpose in one step. Position in the run is all the state there is: a resumed run draws
 * what an uninterrupted one would have drawn.
 *
 * @param seed the run's seed
 * @param purpose what is drawn
 * @param step steps made before
 * @returns a fresh source
 */
export function stepRandom(seed: number, purpose: StepPurpose, step: number): SeededRandom {
  return new SeededRandom(seed + STREAMS[purpose] + 65537 * (step + 1));
}

/**
 * Factor on the peak learning rate: linear warm-up, then the decay to 0.
 *
 * @param step steps made so far
 * @param steps steps in all
 * @param config warm-up share and form of the decay
 * @returns a factor in [0, 1]
 */
export function rateFactor(step: number, steps: number, { warmup, decay }: InjectionConfig): number {
  const warm = Math.max(1, Math.round(warmup * steps));
  if (decay === "cosine" || step < warm) return warmupCosine(step, steps, warmup, 0);
  return decay === "none" ? 1 : Math.max(0, (steps - step) / Math.max(1, steps - warm));
}
