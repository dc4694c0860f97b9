import { FedKimError } from "../formats/errors.ts";
import { readFloat32, tf } from "../tensor/mod.ts";
import { setModel } from "./_batch.ts";
import { uploadParameters } from "./_forward.ts";
import { addAll, concatAll } from "./_grouped.ts";
import { layerShare } from "./_ghost_norms.ts";
import { addClipped, type GradientJob, type GradientTotals, rowsOf } from "./_gradient_job.ts";
import { type PlacedLayer, placedLayers } from "./_layers.ts";
import { dealUnits, fill, type Microbatch } from "./_microbatches.ts";
import { tappedBackward } from "./_taps.ts";
import { federatedParameters } from "./weights.ts";

/**
 * The clipped sum on the tensor backend: units' norms by ghost norms and their weighted sum by book-keeping,
 * both from one backward pass. Memory does not grow with units times parameters: for large models and
 * sequences. A unit with more records than a batch has rows is summed over several batches and clipped on the
 * host.
 *
 * Batches are summed in float64, and {@link dealUnits} makes all but a few of them independent of any one unit. So what
 * float32 adds to a step's sensitivity does not grow with the sample: with R rows a batch of T tokens each, sums of at
 * most 2 R units' contributions of length 1 are rounded in another way. To first order with independent roundoff of
 * unit u = 2^-24, each such sum of R T terms of total length M is off by u M sqrt(R T) / 3 (Higham and Mary 2019), so both
 * together by at most 4 R u sqrt(R T) / 3: for R = 64 and T = 16 that is 1.6e-4, a sixth of the float slack 1e-3 that
 * a plan charges. For one token the worst case of any roundoff, 4 R u R = 9.8e-4, stays below it too. Here M stands for
 * contributions that do not cancel within a unit; where they do, norms are rounded up first (`layerShare`).
 */
export async function deviceGradientSum(job: GradientJob, into: Float64Array): Promise<GradientTotals> {
  const totals = { nonFinite: 0, clipped: 0 };
  const { spec, weights, set, chosen, rows, sole } = job;
  const model = setModel(spec, set);
  const layers = placedLayers(spec, model);
  if (layers.length === 0 || chosen.length === 0) return totals;
  const parameters = uploadParameters(spec, weights, model);
  const run = { job, layers, parameters };
  try {
    const { whole, large } = dealUnits(set, chosen, rows, sole);
    for (const batch of whole) await addBatch(run, batch, into, totals);
    for (const unit of large) await addLargeUnit(run, unit, into, totals);
  } finally {
    for (const tensor of parameters.values()) tensor.dispose();
  }
  return totals;
}

interface Run {
  readonly job: GradientJob;
  readonly layers: readonly PlacedLayer[];
  readonly parameters: ReadonlyMap<string, tf.Tensor>;
}

async function addBatch(
  run: Run,
  batch: Microbatch,
  into: Float64Array,
  totals: GradientTotals,
): Promise<void> {
  const { bound, clipping } = run.job;
  const { sum, norms } = await compute(run, batch, clipping, bound);
  const damaged = batch.units.filter((_, slot) => !Number.isFinite(norms[slot]));
  if (damaged.length === 0 && allFinite(sum)) {
    totals.clipped += batch.units.filter((_, slot) => norms[slot] > bound).length;
    place(run.layers, sum, into);
    return;
  }
  // Zero times NaN is NaN: the batch runs again without the units whose gradient is not finite.
  const lengths = clipping ? norms : (await compute(run, batch, true, bound)).norms;
  const sound = batch.units.filter((_, slot) => Number.isFinite(lengths[slot]));
  if (sound.length === batch.units.length) {
    throw new FedKimError("ModelError", "Finite gradients have no finite sum.", {
      remedy: "lower the learning rate or the clipping norm",
    });
  }
  totals.nonFinite += batch.units.length - sound.length;
  if (sound.length > 0) {
    await addBatch(run, fill(run.job.set, sound, batch.slots, batch.width), into, totals);
  }
}

/** One batch's clipped sum over C, flat by layers, and every slot's norm (empty without clipping). */
async function compute(
  { job, layers, parameters }: Run,
  { slots, rows }: Microbatch,
  clipping: boolean,
  bound: number,
): Promise<{ readonly sum: Float32Array; readonly norms: Float32Array }> {
  const { spec, set } = job;
  const [sum, norms] = tf.tidy(() => {
    const factors = tappedBackward(spec, set, setModel(spec, set), layers, rows, rows.length, parameters);
    const shares = layers.map((layer, index) => layerShare(layer, factors[index], slots));
    if (!clipping) {
      const w = tf.fill([slots, 1], 1 / bound) as tf.Tensor2D;
      return [concatAll(shares.flatMap((share) => share.weighted(w)), 0), tf.zeros([slots])];
    }
    const norms = tf.sqrt(addAll(shares.map(({ squared }) => squared)));
    const w = tf.reshape(tf.div(1, tf.maximum(norms, bound)), [slots, 1]) as tf.Tensor2D;
    return [concatAll(shares.flatMap((share) => share.weighted(w)), 0), norms];
  });
  try {
    return { sum: await readFloat32(sum), norms: await readFloat32(norms) };
  } finally {
    sum.dispose();
    norms.dispose();
  }
}

async function addLargeUnit(
  run: Run,
  unit: string,
  into: Float64Array,
  totals: GradientTotals,
): Promise<void> {
  const { set, rows: size, spec } = run.job;
  const gradient = new Float64Array(federatedParameters(spec).dimension);
  const rows = rowsOf(set, unit);
  for (let start = 0; start < rows.length; start += size) {
    const part = rows.slice(start, start + size);
    const { sum } = await compute(run, { slots: 1, width: size, units: [unit], rows: part }, false, 1);
    place(run.layers, sum, gradient);
  }
  addClipped(run.job, gradient, run.layers.flatMap(({ ranges }) => ranges), into, totals);
}

/** Whether all values are finite: zero times anything else is not a number. */
function allFinite(values: Float32Array): boolean {
  let zero = 0;
  for (let i = 0; i < values.length; i++) zero += 0 * values[i];
  return zero === 0;
}

/** Adds a vector that is flat by layers to one in the model's layout. */
function place(layers: readonly PlacedLayer[], values: Float32Array, into: Float64Array): void {
  let at = 0;
  for (const { start, end } of layers.flatMap(({ ranges }) => ranges)) {
    for (let i = start; i < end; i++) into[i] += values[at++];
  }
}
