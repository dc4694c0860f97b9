import { FedKimError } from "../formats/errors.ts";
import { readFloat32, tf } from "../tensor/mod.ts";
import { type SetModel, setModel, uploadBatch } from "./_batch.ts";
import type { SetFeatures, SiteFeatures } from "./features.ts";
import { logits, summedLoss, uploadParameters } from "./_forward.ts";
import type { LocalModelSpec } from "./spec.ts";
import { federatedParameters, type LocalWeights } from "./weights.ts";

/** Rows per tensor batch: batches are filled up to it, so shapes never change; more rows are more batches. */
export const MICROBATCH_ROWS = 64;

/** The sum of clipped gradients of the sampled units. */
export interface ClippedGradientSum {
  /**
   * Sum over units of clip(g) / C, in the layout of `federatedParameters`; each addend has l2 norm at most
   * 1.
   */
  readonly sum: Float64Array;
  /** Units whose gradient was not finite; they contributed zero. */
  readonly nonFinite: number;
  /** Units whose gradient was longer than C. This is private: never log or send it. */
  readonly clipped: number;
}

/**
 * One DP step's gradient: for each sampled unit the gradient of the summed loss over all of its records and
 * tasks, clipped to its set's norm C (Abadi et al. 2016, algorithm 1, with the unit in place of the example)
 * and divided by C, then summed. Per-record gradients come from one backward pass to the pre-activations;
 * outer products, norms and sums are float64 on the host, so norms are exact to rounding and units may spread
 * over several batches.
 *
 * @param spec the model
 * @param weights its present numbers
 * @param features the site's cached features
 * @param sampled units by set, from Poisson sampling; sets may be missing
 * @param clip clipping norm C by set
 * @throws FedKimError `ConfigError` for a unit that the set does not have or a clip that is not positive
 */
export async function clippedGradientSum(
  spec: LocalModelSpec,
  weights: LocalWeights,
  features: SiteFeatures,
  sampled: ReadonlyMap<string, readonly string[]>,
  clip: ReadonlyMap<string, number>,
): Promise<ClippedGradientSum> {
  const sum = new Float64Array(federatedParameters(spec).dimension);
  let nonFinite = 0, clipped = 0;
  for (const [name, chosen] of sampled) {
    const set = features.sets.get(name);
    const bound = clip.get(name) ?? NaN;
    if (!(bound > 0 && bound < Infinity)) {
      throw new FedKimError("ConfigError", `The set ${name} has no clipping norm.`, {
        needed: "a positive number",
      });
    }
    if (set === undefined || chosen.length === 0) continue;
    await perUnitGradients(spec, weights, set, chosen, (gradient, ranges) => {
      const norm = Math.sqrt(squaredNorm(gradient, ranges));
      if (!Number.isFinite(norm)) {
        nonFinite++;
        return;
      }
      if (norm > bound) clipped++;
      // The factor is at most 1 / norm even after rounding, so no addend is longer than 1.
      addRanges(sum, gradient, ranges, 1 / Math.max(bound, norm * (1 + 1e-12)));
    });
  }
  return { sum, nonFinite, clipped };
}

/** A run of coordinates [start, end) of the flat vector. */
export interface Range {
  /** First coordinate. */
  readonly start: number;
  /** One past the last coordinate. */
  readonly end: number;
}

/**
 * Receives one unit's gradient; the array is reused after the call and is meaningful inside `ranges` only.
 */
export type UnitGradientSink = (gradient: Float64Array, ranges: readonly Range[]) => void;

/**
 * Computes each unit's own gradient and hands them over one by one.
 *
 * @param spec the model
 * @param weights its present numbers
 * @param set the set's features
 * @param chosen units of the set
 * @param sink receives every unit's gradient
 * @throws FedKimError `ConfigError` for a unit that the set does not have
 */
export async function perUnitGradients(
  spec: LocalModelSpec,
  weights: LocalWeights,
  set: SetFeatures,
  chosen: readonly string[],
  sink: UnitGradientSink,
): Promise<void> {
  const rows = chosen.flatMap((unit) => [...rowsOf(set, unit)]);
  const model = setModel(spec, set);
  const layers = layersOf(spec, model);
  if (layers.length === 0) return;
  const deltas = await backward(spec, weights, set, model, layers, rows);
  const ranges = layers.flatMap(({ ranges }) => ranges);
  const gradient = new Float64Array(federatedParameters(spec).dimension);
  let row = 0;
  for (const unit of chosen) {
    for (const { start, end } of ranges) gradient.fill(0, start, end);
    const last = row + rowsOf(set, unit).length;
    for (; row < last; row++) {
      for (const layer of layers) addOuterProduct(gradient, layer, deltas, row);
    }
    sink(gradient, ranges);
  }
}

function rowsOf(set: SetFeatures, unit: string): readonly number[] {
  const rows = set.rowsOf.get(unit);
  if (rows === undefined) {
    throw new FedKimError("ConfigError", `A sampled unit is not in the set ${set.name}.`, {
      needed: "units from units(features)",
    });
  }
  return rows;
}

/** A dense layer's place in the flat vector and in the columns that come back from the backend. */
interface Layer {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly weightOffset: number;
  /** Undefined for a layer without bias. */
  readonly biasOffset: number | undefined;
  /** Columns of the layer's input and of the loss gradient at its pre-activation. */
  readonly inputColumn: number;
  readonly deltaColumn: number;
  readonly ranges: readonly Range[];
}

function layersOf(spec: LocalModelSpec, { encoders, heads }: SetModel): Layer[] {
  const placed = new Map(
    federatedParameters(spec).parameters.map((parameter) => [parameter.name, parameter]),
  );
  const names = [
    ...encoders.flatMap(({ modality }) => [`encoder.${modality}.down`, `encoder.${modality}.up`]),
    ...heads.map(({ task }) => `head.${task}`),
  ];
  let column = 0;
  return names.flatMap((name): Layer[] => {
    const weight = placed.get(`${name}.weight`);
    const bias = placed.get(`${name}.bias`);
    if (weight === undefined) return [];
    const [inputs, outputs] = weight.shape;
    const inputColumn = column;
    const deltaColumn = column + inputs;
    column = deltaColumn + outputs;
    const ranges = [weight, bias].filter((parameter) => parameter !== undefined)
      .map(({ offset, size }) => ({ start: offset, end: offset + size }));
    const biasOffset = bias?.offset;
    return [{
      name,
      inputs,
      outputs,
      weightOffset: weight.offset,
      biasOffset,
      inputColumn,
      deltaColumn,
      ranges,
    }];
  });
}

/** Layer inputs and loss gradients at pre-activations of all rows, row-major. */
interface Deltas {
  readonly width: number;
  readonly data: Float32Array;
}

async function backward(
  spec: LocalModelSpec,
  weights: LocalWeights,
  set: SetFeatures,
  model: SetModel,
  layers: readonly Layer[],
  rows: readonly number[],
): Promise<Deltas> {
  const last = layers[layers.length - 1];
  const width = last.deltaColumn + last.outputs;
  const parameters = uploadParameters(weights, model);
  const results: tf.Tensor[] = [];
  try {
    for (let start = 0; start < rows.length; start += MICROBATCH_ROWS) {
      const part = rows.slice(start, start + MICROBATCH_ROWS);
      results.push(tf.tidy(() => microbatch(spec, set, model, layers, part, parameters)));
    }
    const data = new Float32Array(results.length * MICROBATCH_ROWS * width);
    for (const [index, result] of results.entries()) {
      data.set(await readFloat32(result), index * MICROBATCH_ROWS * width);
    }
    return { width, data };
  } finally {
    for (const tensor of [...parameters.values(), ...results]) tensor.dispose();
  }
}

/**
 * [rows, width]: for every layer its input and then the loss gradient at its pre-activation, by zero taps.
 */
function microbatch(
  spec: LocalModelSpec,
  set: SetFeatures,
  model: SetModel,
  layers: readonly Layer[],
  rows: readonly number[],
  parameters: ReadonlyMap<string, tf.Tensor>,
): tf.Tensor {
  const batch = uploadBatch(spec, set, model, rows, MICROBATCH_ROWS);
  const inputs = new Map<string, tf.Tensor2D>();
  const indexOf = new Map(layers.map((layer, index) => [layer.name, index]));
  const loss = (...taps: tf.Tensor[]): tf.Scalar => {
    const outputs = logits(
      spec,
      model,
      batch,
      (name) => parameters.get(name) as tf.Tensor,
      (layer, input, output) => {
        const index = indexOf.get(layer);
        if (index === undefined) return output;
        // The gradient's own scope frees what is not kept.
        inputs.set(layer, tf.keep(input.clone()));
        return tf.add(output, taps[index]);
      },
    );
    return summedLoss(model.heads, outputs, batch);
  };
  const taps = layers.map(({ outputs }) => tf.zeros([MICROBATCH_ROWS, outputs]));
  const deltas = tf.grads(loss)(taps);
  const kept = layers.map(({ name }) => inputs.get(name) as tf.Tensor2D);
  const joined = tf.concat(kept.flatMap((input, index) => [input, deltas[index]]), 1);
  for (const input of kept) input.dispose();
  return joined;
}

/** gradient += input (x) delta of one row, and delta for the bias. */
function addOuterProduct(gradient: Float64Array, layer: Layer, { width, data }: Deltas, row: number): void {
  const { inputs, outputs, weightOffset, biasOffset } = layer;
  const input = row * width + layer.inputColumn;
  const delta = row * width + layer.deltaColumn;
  for (let i = 0; i < inputs; i++) {
    const value = data[input + i];
    const base = weightOffset + i * outputs;
    for (let k = 0; k < outputs; k++) gradient[base + k] += value * data[delta + k];
  }
  if (biasOffset === undefined) return;
  for (let k = 0; k < outputs; k++) gradient[biasOffset + k] += data[delta + k];
}

function squaredNorm(gradient: Float64Array, ranges: readonly Range[]): number {
  let sum = 0;
  for (const { start, end } of ranges) for (let i = start; i < end; i++) sum += gradient[i] * gradient[i];
  return sum;
}

function addRanges(
  into: Float64Array,
  gradient: Float64Array,
  ranges: readonly Range[],
  scale: number,
): void {
  for (const { start, end } of ranges) for (let i = start; i < end; i++) into[i] += scale * gradient[i];
}
