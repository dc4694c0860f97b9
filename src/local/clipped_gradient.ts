import { FedKimError } from "../formats/errors.ts";
import { cryptoRandomBytes, type RandomBytes } from "../formats/random_bytes.ts";
import { setModel } from "./_batch.ts";
import { drawKeys } from "./_dealing.ts";
import { deviceGradientSum } from "./_device_engine.ts";
import type { SetRows } from "./features.ts";
import type { GradientEngine } from "./_gradient_job.ts";
import { hostGradientSum, unitGradients, type UnitGradientSink } from "./_host_engine.ts";
import { placedLayers, type Range } from "./_layers.ts";
import type { LocalModelSpec } from "./spec.ts";
import { portions, type TrainingFeatures } from "./training_set.ts";
import { federatedParameters, type LocalWeights } from "./weights.ts";

export type { Range, UnitGradientSink };

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

/** How a sum is computed; the result is the same up to rounding. */
export interface GradientSumOptions {
  /** Rows per tensor batch, a power of two: fewer rows need less memory. */
  readonly rows?: number;
  /** False leaves gradients at their length (still divided by C): for data that need no protection. */
  readonly clipping?: boolean;
  /** Where per-unit work is done; by default decided by {@link engineFor}. */
  readonly engine?: EngineName;
  /** Secret source of the order in which units are dealt to batches; the operating system's by default. */
  readonly randomBytes?: RandomBytes;
}

/**
 * The two ways to a clipped sum. `host`: every unit's gradient in float64, addends at most 1 long to
 * rounding. `device`: ghost norms and book-keeping in float32 on the tensor backend. One unit more or less changes the
 * sum by at most 1 + 1e-3, which is the float slack that a plan charges, however many units are sampled: few batches
 * depend on any one unit.
 */
export type EngineName = "host" | "device";

const ENGINES: Readonly<Record<EngineName, GradientEngine>> = {
  host: hostGradientSum,
  device: deviceGradientSum,
};

/** Products per record above which the host is slower than the backend. */
const MOST_HOST_PRODUCTS = 20_000;

/**
 * Which engine is faster for a set: the host's work is one product per row and federated weight.
 *
 * @param spec the model
 * @param set a set's features
 */
export function engineFor(spec: LocalModelSpec, set: SetRows): EngineName {
  const products = placedLayers(spec, setModel(spec, set)).reduce(
    (sum, { rows, inputs, outputs }) => sum + rows * inputs * outputs,
    0,
  );
  return products > MOST_HOST_PRODUCTS ? "device" : "host";
}

/**
 * One DP step's gradient: for each sampled unit the gradient of the summed loss over all of its records and
 * tasks, clipped to its set's norm C (Abadi et al. 2016, algorithm 1, with the unit in place of the example)
 * and divided by C, then summed. Everything per unit comes from one backward pass; the portions and microbatches
 * that the sample is dealt to do not change the result.
 *
 * @param spec the model
 * @param weights its present numbers
 * @param features the site's features, in memory or on disk
 * @param sampled units by set, from Poisson sampling; sets may be missing
 * @param clip clipping norm C by set
 * @param options how to compute
 * @throws FedKimError `ConfigError` for a unit that the set does not have, a clip that is not positive or a
 * number of rows that is no power of two
 */
export async function clippedGradientSum(
  spec: LocalModelSpec,
  weights: LocalWeights,
  features: TrainingFeatures,
  sampled: ReadonlyMap<string, readonly string[]>,
  clip: ReadonlyMap<string, number>,
  options: GradientSumOptions = {},
): Promise<ClippedGradientSum> {
  const { rows = MICROBATCH_ROWS, clipping = true, randomBytes = cryptoRandomBytes } = options;
  if (!Number.isInteger(Math.log2(rows)) || rows < 1) {
    throw new FedKimError("ConfigError", "A tensor batch cannot have this number of rows.", {
      found: String(rows),
      needed: "a power of two",
    });
  }
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
    if (set === undefined) continue;
    for (const { units, rows: part } of portions(set, drawKeys(chosen, randomBytes))) {
      const engine = ENGINES[options.engine ?? engineFor(spec, part)];
      const job = {
        spec,
        weights,
        set: part,
        chosen: units,
        sole: units.length === chosen.length,
        bound,
        clipping,
        rows,
      };
      const totals = await engine(job, sum);
      nonFinite += totals.nonFinite;
      clipped += totals.clipped;
    }
  }
  return { sum, nonFinite, clipped };
}

/**
 * Computes each unit's own gradient in float64 and hands them over one by one: the reference for sums, and
 * for audits that need single gradients.
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
  set: SetRows,
  chosen: readonly string[],
  sink: UnitGradientSink,
): Promise<void> {
  await unitGradients(spec, weights, set, chosen, MICROBATCH_ROWS, sink);
}
