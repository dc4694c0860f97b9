import { FedKimError } from "../formats/errors.ts";
import type { TokenStatistics } from "./parameters.ts";
import type { InjectionSample } from "./samples.ts";

/**
 * Mean and standard deviation of every token feature, by modality, over the training samples (public data only).
 *
 * @param samples training samples
 * @returns statistics by modality, in order of first appearance
 * @throws FedKimError `ModelError` when a modality's tokens differ in width
 */
export function tokenStatistics(samples: readonly InjectionSample[]): Map<string, TokenStatistics> {
  const sums = new Map<string, { count: number; sum: Float64Array; square: Float64Array }>();
  for (const { modalities } of samples) {
    for (const { modality, tokens, count } of modalities) {
      if (count === 0) continue;
      const width = tokens.length / count;
      const entry = sums.get(modality) ??
        { count: 0, sum: new Float64Array(width), square: new Float64Array(width) };
      if (entry.sum.length !== width) {
        throw new FedKimError("ModelError", `The tokens of modality ${modality} differ in width.`, {
          found: `${width} and ${entry.sum.length} features`,
          needed: "one width per modality",
        });
      }
      sums.set(modality, entry);
      entry.count += count;
      tokens.forEach((value, i) => {
        entry.sum[i % width] += value;
        entry.square[i % width] += value * value;
      });
    }
  }
  return new Map([...sums].map(([modality, { count, sum, square }]) => {
    const mean = Float32Array.from(sum, (value) => value / count);
    const deviation = Float32Array.from(square, (value, i) => {
      const variance = value / count - (sum[i] / count) ** 2;
      // A constant feature carries nothing: leave it unscaled instead of dividing by zero.
      return variance > 1e-12 ? Math.sqrt(variance) : 1;
    });
    return [modality, { mean, deviation }];
  }));
}
