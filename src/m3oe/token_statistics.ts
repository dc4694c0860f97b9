import { FedKimError } from "../formats/errors.ts";
import type { TokenStatistics } from "./parameters.ts";
import type { InjectionSample } from "./samples.ts";
import { readFloat32, tf } from "../tensor/mod.ts";
import { encodeRows, type TokenEncoder } from "./token_encoder.ts";

/** Rows that an encoder computes at a time. */
const ROWS = 256;

/** Running sums of one modality's features. */
interface Sums {
  count: number;
  readonly sum: Float64Array;
  readonly square: Float64Array;
}

/**
 * Mean and standard deviation of every token feature, by modality, over the training samples (public data only).
 * Where an encoder is trained, the statistics are those of its initial weights and stay fixed.
 *
 * @param samples training samples
 * @param encoders encoders whose input the samples carry
 * @returns statistics by modality, in order of first appearance
 * @throws FedKimError `ModelError` when a modality's tokens differ in width
 */
export async function tokenStatistics(
  samples: readonly InjectionSample[],
  encoders: readonly TokenEncoder[] = [],
): Promise<Map<string, TokenStatistics>> {
  const sums = new Map<string, Sums>();
  const trained = new Map(encoders.map((encoder) => [encoder.modality, encoder]));
  for (const { modalities } of samples) {
    for (const { modality, tokens, count } of modalities) {
      if (count === 0) continue;
      const width = trained.get(modality)?.dEnc ?? tokens.length / count;
      const entry = sums.get(modality) ??
        { count: 0, sum: new Float64Array(width), square: new Float64Array(width) };
      if (entry.sum.length !== width) {
        throw new FedKimError("ModelError", `The tokens of modality ${modality} differ in width.`, {
          found: `${width} and ${entry.sum.length} features`,
          needed: "one width per modality",
        });
      }
      sums.set(modality, entry);
      if (!trained.has(modality)) add(entry, tokens);
    }
  }
  for (const [modality, entry] of sums) {
    const encoder = trained.get(modality);
    if (encoder !== undefined) await addEncoded(entry, encoder, samples);
  }
  return new Map([...sums].map(([modality, entry]) => [modality, statisticsOf(entry)]));
}

function add(entry: Sums, values: Float32Array): void {
  const width = entry.sum.length;
  entry.count += values.length / width;
  for (let i = 0; i < values.length; i++) {
    entry.sum[i % width] += values[i];
    entry.square[i % width] += values[i] * values[i];
  }
}

async function addEncoded(
  entry: Sums,
  encoder: TokenEncoder,
  samples: readonly InjectionSample[],
): Promise<void> {
  const rows = samples.flatMap(({ modalities }) =>
    modalities.filter(({ modality, count }) => modality === encoder.modality && count > 0)
      .map(({ tokens }) => tokens)
  );
  for (let first = 0; first < rows.length; first += ROWS) {
    const tokens = tf.tidy(() => {
      const parameters = new Map(
        [...encoder.weights].map(([name, { shape, data }]) => [name, tf.tensor(data, [...shape])]),
      );
      return encodeRows({ encoder, parameters }, rows.slice(first, first + ROWS));
    });
    add(entry, await readFloat32(tokens));
    tokens.dispose();
  }
}

function statisticsOf({ count, sum, square }: Sums): TokenStatistics {
  const mean = Float32Array.from(sum, (value) => value / count);
  const deviation = Float32Array.from(square, (value, i) => {
    const variance = value / count - (sum[i] / count) ** 2;
    // A constant feature carries nothing: leave it unscaled instead of dividing by zero.
    return variance > 1e-12 ? Math.sqrt(variance) : 1;
  });
  return { mean, deviation };
}
