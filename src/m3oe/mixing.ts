import type { SeededRandom } from "../tensor/seeded_random.ts";
import type { EncodedSample } from "./encoded_sample.ts";

/**
 * How often the tasks are drawn in an epoch: `proportional` takes every sample once; `uniform` gives every task the
 * same share; `temperature` gives task t a share proportional to n_t^(1/T): T = 1 is proportional, large T uniform
 * (Raffel et al. 2020, section 3.5.2). An epoch always has as many samples as there are.
 */
export type TaskMixing =
  | { readonly kind: "proportional" }
  | { readonly kind: "uniform" }
  | { readonly kind: "temperature"; readonly temperature: number };

/**
 * The samples of one epoch. A task that gets more than its samples repeats them, each as often as any other up to
 * one; a task that gets fewer is represented by a random part, another one in each epoch.
 *
 * @param samples all training samples
 * @param mixing shares of the tasks
 * @param random seeded source
 * @returns as many samples as given
 */
export function mixTasks(
  samples: readonly EncodedSample[],
  mixing: TaskMixing,
  random: SeededRandom,
): readonly EncodedSample[] {
  if (mixing.kind === "proportional") return samples;
  const exponent = mixing.kind === "uniform" ? 0 : 1 / mixing.temperature;
  const groups = [...Map.groupBy(samples, ({ task }) => task.name).values()];
  const quotas = apportion(groups.map((group) => group.length ** exponent), samples.length);
  return groups.flatMap((group, index) => draw(group, quotas[index], random));
}

/**
 * Whole numbers proportional to weights, by largest remainders; every weight gets at least one.
 *
 * @param weights positive weights
 * @param total what is shared out, at least one for each weight
 * @returns numbers that sum to the total
 */
export function apportion(weights: readonly number[], total: number): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  const exact = weights.map((weight) => 1 + (total - weights.length) * weight / sum);
  const quotas = exact.map(Math.floor);
  const left = total - quotas.reduce((all, quota) => all + quota, 0);
  exact.map((value, index) => ({ index, rest: value - quotas[index] }))
    .sort((a, b) => b.rest - a.rest || a.index - b.index)
    .slice(0, left)
    .forEach(({ index }) => quotas[index]++);
  return quotas;
}

function draw(group: readonly EncodedSample[], count: number, random: SeededRandom): EncodedSample[] {
  const drawn: EncodedSample[] = [];
  while (drawn.length < count) {
    const order = [...group];
    random.shuffle(order);
    drawn.push(...order.slice(0, count - drawn.length));
  }
  return drawn;
}
