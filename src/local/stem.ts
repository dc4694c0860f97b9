import { SeededRandom } from "../tensor/seeded_random.ts";
import { principalComponents } from "./_pca.ts";
import type { ModalityValue } from "./dataset.ts";
import { viewFeatures } from "./front_end.ts";
import type { SiteData } from "./site_data.ts";
import type { EncoderSpec, LocalModelSpec } from "./spec.ts";
import type { TokenEmbedding } from "./token_embedding.ts";
import { type HostTensor, type LocalWeights, tensorOf } from "./weights.ts";

/**
 * Standardised features and tokens are limited to this many standard deviations: one wild value stays one
 * value.
 */
const LIMIT = 4;
/** The most records that a stem is fitted on. */
const LARGEST_FIT = 4000;
/** A feature that varies less than this on public data says nothing and is left out. */
const SMALLEST_SPREAD = 1e-6;

/**
 * Fits the frozen stems on public data: per feature mean and spread, then the whitened principal components,
 * which are the best linear autoencoder of a view (Baldi and Hornik 1989). No private record is read.
 *
 * @param spec the model
 * @param publicData the server's public part
 * @param embedding the frozen token table, for text
 * @param seed starts the subspace iteration
 * @returns the tensors `stem.*`, and `target.*` of regression tasks
 */
export function fitStems(
  spec: LocalModelSpec,
  publicData: SiteData,
  embedding: TokenEmbedding | undefined,
  seed: number,
): Map<string, HostTensor> {
  const weights = new Map<string, HostTensor>();
  for (const encoder of spec.encoders) {
    const views = distinctFeatures(encoder, publicData, embedding, seed);
    encoder.views.forEach(({ name, features }, index) => {
      const rows = views.map((view) => view[index]);
      const prefix = `stem.${encoder.modality}.${name}`;
      for (const [part, tensor] of Object.entries(fitView(rows, features, spec.dEnc, seed))) {
        weights.set(`${prefix}.${part}`, tensor);
      }
    });
  }
  for (const { task, set, type } of spec.heads) {
    if (type !== "regression") continue;
    const records = publicData.sets.find(({ name }) => name === set)?.records ?? [];
    const labels = records.map((record) => record.labels.get(task)).filter((label) =>
      typeof label === "number"
    );
    const { mean, spread } = moments(labels);
    weights.set(`target.${task}.mean`, { shape: [1], data: Float32Array.of(mean) });
    weights.set(`target.${task}.scale`, { shape: [1], data: Float32Array.of(spread > 0 ? 1 / spread : 1) });
  }
  return weights;
}

/** Mean and standard deviation; zero and zero of nothing. */
function moments(values: readonly number[]): { readonly mean: number; readonly spread: number } {
  const mean = values.reduce((sum, value) => sum + value / values.length, 0);
  return {
    mean,
    spread: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2 / values.length, 0)),
  };
}

/** Features of every distinct value of a modality: an image with twelve questions counts once. */
function distinctFeatures(
  encoder: EncoderSpec,
  data: SiteData,
  embedding: TokenEmbedding | undefined,
  seed: number,
): Float32Array[][] {
  const values = data.sets.flatMap(({ records }) =>
    records.map((record) => record.values.get(encoder.modality))
  )
    .filter((value) => value !== null && value !== undefined);
  if (values.length > LARGEST_FIT) new SeededRandom(seed).shuffle(values);
  const found = new Map<string, Float32Array[]>();
  for (const value of values.slice(0, LARGEST_FIT)) {
    const views = viewFeatures(value, encoder.kind, embedding);
    if (views !== null) found.set(views.map((view) => Array.from(view.slice(0, 64)).join()).join(), views);
  }
  return [...found.values()];
}

function fitView(
  rows: readonly Float32Array[],
  features: number,
  dEnc: number,
  seed: number,
): Record<"mean" | "scale" | "projection" | "offset", HostTensor> {
  const mean = new Float32Array(features);
  const scale = new Float32Array(features);
  for (let f = 0; f < features; f++) {
    const present = rows.map((row) => row[f]).filter((value) => !Number.isNaN(value));
    const { mean: average, spread } = moments(present);
    mean[f] = average;
    scale[f] = spread > SMALLEST_SPREAD ? 1 / spread : 0;
  }
  const standard = rows.map((row) => standardise(row, mean, scale));
  const centre = new Float64Array(features);
  for (const row of standard) row.forEach((value, f) => centre[f] += value / standard.length);
  const centred = new Float64Array(standard.length * features);
  standard.forEach((row, r) => row.forEach((value, f) => centred[r * features + f] = value - centre[f]));
  const components = principalComponents(centred, features, dEnc, new SeededRandom(seed));
  const projection = new Float32Array(features * dEnc);
  const offset = new Float32Array(dEnc);
  components.variances.forEach((variance, k) => {
    const whiten = 1 / Math.sqrt(variance);
    for (let f = 0; f < features; f++) {
      const weight = components.directions[k * features + f] * whiten;
      projection[f * dEnc + k] = weight;
      offset[k] -= weight * centre[f];
    }
  });
  return {
    mean: { shape: [features], data: mean },
    scale: { shape: [features], data: scale },
    projection: { shape: [features, dEnc], data: projection },
    offset: { shape: [dEnc], data: offset },
  };
}

/** Zero mean, unit spread, limited; missing values become 0, the public mean. */
function standardise(row: Float32Array, mean: Float32Array, scale: Float32Array): Float32Array {
  return row.map((value, f) => {
    const standard = (value - mean[f]) * scale[f];
    return Number.isNaN(standard) ? 0 : Math.min(LIMIT, Math.max(-LIMIT, standard));
  });
}

/** A stem ready to compute with. */
export type Stem = (value: ModalityValue) => Float32Array | null;

/**
 * The frozen stem of a modality: value to whitened tokens.
 *
 * @param spec the model
 * @param weights its numbers
 * @param encoder the modality
 * @param embedding the frozen token table, for text
 * @returns a function that gives the tokens, row-major [T, dEnc], or null when the value says nothing
 */
export function stemOf(
  spec: LocalModelSpec,
  weights: LocalWeights,
  encoder: EncoderSpec,
  embedding: TokenEmbedding | undefined,
): Stem {
  const { dEnc } = spec;
  const parts = encoder.views.map(({ name }) => {
    const part = (suffix: string): Float32Array => {
      return tensorOf(weights, `stem.${encoder.modality}.${name}.${suffix}`).data;
    };
    return {
      mean: part("mean"),
      scale: part("scale"),
      projection: part("projection"),
      offset: part("offset"),
    };
  });
  return (value) => {
    const views = viewFeatures(value, encoder.kind, embedding);
    if (views === null) return null;
    const tokens = new Float32Array(encoder.tokens * dEnc);
    views.forEach((view, t) => {
      const { mean, scale, projection, offset } = parts[t];
      const token = Float64Array.from(offset);
      standardise(view, mean, scale).forEach((standard, f) => {
        if (standard === 0) return;
        for (let k = 0; k < dEnc; k++) token[k] += standard * projection[f * dEnc + k];
      });
      for (let k = 0; k < dEnc; k++) tokens[t * dEnc + k] = Math.min(LIMIT, Math.max(-LIMIT, token[k]));
    });
    return tokens;
  };
}
