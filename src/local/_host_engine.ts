import { readFloat32, tf } from "../tensor/mod.ts";
import { setModel } from "./_batch.ts";
import { concatAll } from "./_grouped.ts";
import type { SetRows } from "./features.ts";
import { uploadParameters } from "./_forward.ts";
import { type PlacedLayer, placedLayers, type Range } from "./_layers.ts";
import { addClipped, type GradientJob, type GradientTotals, rowsOf } from "./_gradient_job.ts";
import { tappedBackward } from "./_taps.ts";
import type { LocalModelSpec } from "./spec.ts";
import { federatedParameters, type LocalWeights } from "./weights.ts";

/**
 * Receives one unit's gradient; the array is reused after the call and is meaningful inside `ranges` only.
 */
export type UnitGradientSink = (gradient: Float64Array, ranges: readonly Range[]) => void;

/**
 * Per-unit gradients as they are: products, norms and sums are float64 on the host, so norms are exact to
 * rounding and a unit may spread over several batches. Work and memory grow with rows times parameters: for
 * small models.
 */
export async function hostGradientSum(job: GradientJob, into: Float64Array): Promise<GradientTotals> {
  const totals = { nonFinite: 0, clipped: 0 };
  const { spec, weights, set, chosen, rows } = job;
  const names = chosen.map(({ unit }) => unit);
  await unitGradients(spec, weights, set, names, rows, (gradient, ranges) => {
    addClipped(job, gradient, ranges, into, totals);
  });
  return totals;
}

/** Hands over every unit's own gradient, one by one. */
export async function unitGradients(
  spec: LocalModelSpec,
  weights: LocalWeights,
  set: SetRows,
  chosen: readonly string[],
  batchRows: number,
  sink: UnitGradientSink,
): Promise<void> {
  const rows = chosen.flatMap((unit) => [...rowsOf(set, unit)]);
  const model = setModel(spec, set);
  const layers = columnsOf(placedLayers(spec, model));
  if (layers.length === 0) return;
  const factors = await allFactors(spec, weights, set, layers, rows, batchRows);
  const ranges = layers.flatMap(({ ranges }) => ranges);
  const gradient = new Float64Array(federatedParameters(spec).dimension);
  let row = 0;
  for (const unit of chosen) {
    for (const { start, end } of ranges) gradient.fill(0, start, end);
    const last = row + rowsOf(set, unit).length;
    for (; row < last; row++) {
      for (const layer of layers) addRow(gradient, layer, factors, row);
    }
    sink(gradient, ranges);
  }
}

/** A layer and its columns in the factors that come back from the backend. */
interface Columns extends PlacedLayer {
  readonly inputColumn: number;
  readonly deltaColumn: number;
}

function columnsOf(layers: readonly PlacedLayer[]): Columns[] {
  let column = 0;
  return layers.map((layer) => {
    const inputColumn = column;
    const deltaColumn = column + layer.rows * layer.inputs;
    column = deltaColumn + layer.rows * layer.outputs;
    return { ...layer, inputColumn, deltaColumn };
  });
}

/** Inputs and deltas of all layers, one line per record. */
interface AllFactors {
  readonly width: number;
  readonly data: Float32Array;
}

async function allFactors(
  spec: LocalModelSpec,
  weights: LocalWeights,
  set: SetRows,
  layers: readonly Columns[],
  rows: readonly number[],
  batchRows: number,
): Promise<AllFactors> {
  const last = layers[layers.length - 1];
  const width = last.deltaColumn + last.rows * last.outputs;
  const model = setModel(spec, set);
  const parameters = uploadParameters(spec, weights, model);
  const results: tf.Tensor[] = [];
  try {
    for (let start = 0; start < rows.length; start += batchRows) {
      const part = rows.slice(start, start + batchRows);
      results.push(tf.tidy(() => {
        const factors = tappedBackward(spec, set, model, layers, part, batchRows, parameters);
        const lines = factors.flatMap(({ input, delta }) => [input, delta])
          .map((rows) => tf.reshape(rows, [batchRows, -1]));
        return concatAll(lines, 1);
      }));
    }
    const data = new Float32Array(results.length * batchRows * width);
    for (const [index, result] of results.entries()) {
      data.set(await readFloat32(result), index * batchRows * width);
    }
    return { width, data };
  } finally {
    for (const tensor of [...parameters.values(), ...results]) tensor.dispose();
  }
}

/** Adds one record's gradient of one layer. */
function addRow(gradient: Float64Array, layer: Columns, { width, data }: AllFactors, row: number): void {
  const { kind, inputs, outputs, weightOffset, biasOffset } = layer;
  for (let t = 0; t < layer.rows; t++) {
    const input = row * width + layer.inputColumn + t * inputs;
    const delta = row * width + layer.deltaColumn + t * outputs;
    if (biasOffset !== undefined) {
      for (let k = 0; k < outputs; k++) gradient[biasOffset + k] += data[delta + k];
    }
    if (weightOffset === undefined) continue;
    if (kind === "scale") {
      for (let k = 0; k < outputs; k++) gradient[weightOffset + k] += data[input + k] * data[delta + k];
      continue;
    }
    for (let i = 0; i < inputs; i++) {
      const value = data[input + i];
      const base = weightOffset + i * outputs;
      for (let k = 0; k < outputs; k++) gradient[base + k] += value * data[delta + k];
    }
  }
}
