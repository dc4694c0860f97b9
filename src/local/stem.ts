import { SeededRandom } from "../tensor/seeded_random.ts";
import { principalComponents } from "./_pca.ts";
import type { ModalityValue } from "./dataset.ts";
import { viewFeatures } from "./front_end.ts";
import { sequenceFeatures } from "./_sequence_front_end.ts";
import { fitStandard, LIMIT, moments, standardise } from "./_standardise.ts";
import type { SiteData } from "./site_data.ts";
import type { EncoderSpec, LocalModelSpec } from "./spec.ts";
import type { TokenEmbedding } from "./token_embedding.ts";
import { type HostTensor, type LocalWeights, tensorOf } from "./weights.ts";

/** The most records that a stem is fitted on. */
const LARGEST_FIT = 4000;
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
    if (encoder.attention !== undefined) {
      const { mean, scale } = fitPatches(encoder, publicData, embedding, seed);
      const prefix = `stem.${encoder.modality}.sequence`;
      weights.set(`${prefix}.mean`, mean).set(`${prefix}.scale`, scale);
      continue;
    }
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

/** Public values of a modality, at most {@link LARGEST_FIT} of them, chosen by the seed. */
function valuesOf({ modality }: EncoderSpec, data: SiteData, seed: number): ModalityValue[] {
  const values = data.sets.flatMap(({ records }) => records.map((record) => record.values.get(modality)))
    .filter((value) => value !== null && value !== undefined);
  if (values.length > LARGEST_FIT) new SeededRandom(seed).shuffle(values);
  return values.slice(0, LARGEST_FIT);
}

/** Statistics of patches: every patch that holds something counts once. */
function fitPatches(
  encoder: EncoderSpec,
  data: SiteData,
  embedding: TokenEmbedding | undefined,
  seed: number,
): ReturnType<typeof fitStandard> {
  const { tokens, views: [{ features }], kind } = encoder;
  const patches = valuesOf(encoder, data, seed).flatMap((value) => {
    const found = sequenceFeatures(value, kind, { tokens, features }, embedding);
    if (found === null) return [];
    return Array.from({ length: tokens }, (_, t) => found.data.subarray(t * features, (t + 1) * features))
      .filter((_, t) => found.mask[t] === 1);
  });
  return fitStandard(patches, features);
}

/** Features of every distinct value of a modality: an image with twelve questions counts once. */
function distinctFeatures(
  encoder: EncoderSpec,
  data: SiteData,
  embedding: TokenEmbedding | undefined,
  seed: number,
): Float32Array[][] {
  const found = new Map<string, Float32Array[]>();
  for (const value of valuesOf(encoder, data, seed)) {
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
  const { mean, scale } = fitStandard(rows, features);
  const standard = rows.map((row) => standardise(row, mean.data, scale.data));
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
    mean,
    scale,
    projection: { shape: [features, dEnc], data: projection },
    offset: { shape: [dEnc], data: offset },
  };
}

/** What a stem gives for one value. */
export interface StemValue {
  /** Whitened tokens [T, dEnc], or for an attention encoder standardised patches [T, features]. */
  readonly data: Float32Array;
  /** 1 where a token holds something; absent when all do. */
  readonly mask?: Uint8Array;
}

/** A stem ready to compute with; null when the value says nothing. */
export type Stem = (value: ModalityValue) => StemValue | null;

/**
 * The frozen stem of a modality: value to whitened tokens or standardised patches.
 *
 * @param spec the model
 * @param weights its numbers
 * @param encoder the modality
 * @param embedding the frozen token table, for text
 * @returns the stem
 */
export function stemOf(
  spec: LocalModelSpec,
  weights: LocalWeights,
  encoder: EncoderSpec,
  embedding: TokenEmbedding | undefined,
): Stem {
  if (encoder.attention !== undefined) return patchStem(weights, encoder, embedding);
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
    return { data: tokens };
  };
}

function patchStem(weights: LocalWeights, encoder: EncoderSpec, embedding: TokenEmbedding | undefined): Stem {
  const { modality, kind, tokens, views: [{ features }] } = encoder;
  const mean = tensorOf(weights, `stem.${modality}.sequence.mean`).data;
  const scale = tensorOf(weights, `stem.${modality}.sequence.scale`).data;
  return (value) => {
    const found = sequenceFeatures(value, kind, { tokens, features }, embedding);
    if (found === null) return null;
    const data = new Float32Array(tokens * features);
    found.mask.forEach((there, t) => {
      const patch = found.data.subarray(t * features, (t + 1) * features);
      if (there === 1) data.set(standardise(patch, mean, scale), t * features);
    });
    return { data, mask: found.mask };
  };
}
