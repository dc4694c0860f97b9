import { bootstrap, type BootstrapOptions, DEFAULT_BOOTSTRAP, type Estimate } from "./bootstrap.ts";
import { reliability, type ReliabilityBin } from "./calibration.ts";
import type { SetFeatures, SiteFeatures } from "./features.ts";
import { figuresOf, type Judged } from "./figures.ts";
import { taskScores } from "./scores.ts";
import type { HeadSpec, LocalModelSpec } from "./spec.ts";
import type { LocalWeights } from "./weights.ts";

/**
 * Figures of one task on some records; private like the records unless they are public or released with
 * noise.
 */
export interface Evaluation {
  /** Labelled records. */
  readonly n: number;
  /** Units that they belong to. */
  readonly units: number;
  /** Figures that are defined, by name. */
  readonly figures: Readonly<Record<string, Estimate>>;
  /** Reliability diagram; binary tasks only. */
  readonly reliability?: readonly ReliabilityBin[];
}

/** One task, per part and over all parts. */
export interface TaskEvaluation {
  /** The task's type. */
  readonly type: HeadSpec["type"];
  /** By part, only parts that hold labels of the task. */
  readonly parts: Readonly<Record<string, Evaluation>>;
  /** All parts' records together; units are units at one part. */
  readonly pooled: Evaluation;
}

/**
 * Evaluates every task of a model, per part and pooled, with bootstrap intervals over units. A part without a
 * task's set takes no part in that task; a task that no part labels is left out.
 *
 * @param spec the model
 * @param weights its numbers
 * @param parts features by name, for example one entry per site
 * @param options of the intervals
 */
export async function evaluateParts(
  spec: LocalModelSpec,
  weights: LocalWeights,
  parts: ReadonlyMap<string, SiteFeatures>,
  options: BootstrapOptions = DEFAULT_BOOTSTRAP,
): Promise<Record<string, TaskEvaluation>> {
  const out: Record<string, TaskEvaluation> = {};
  for (const head of spec.heads) {
    const found: { readonly name: string; readonly data: Judged; readonly units: readonly string[] }[] = [];
    for (const [name, features] of parts) {
      const set = features.sets.get(head.set);
      if (set === undefined) continue;
      const judged = await judge(spec, weights, set, head);
      if (judged.units.length > 0) found.push({ name, ...judged });
    }
    if (found.length === 0) continue;
    const evaluated = found.map(({ name, data, units }) => {
      return [name, evaluate(head.type, data, units, options)] as const;
    });
    const pooled: Judged = {
      outputs: head.outputs,
      scores: found.flatMap(({ data }) => Array.from(data.scores)),
      labels: found.flatMap(({ data }) => Array.from(data.labels)),
    };
    const units = found.flatMap(({ name, units }) => units.map((unit) => `${name}/${unit}`));
    out[head.task] = {
      type: head.type,
      parts: Object.fromEntries(evaluated),
      pooled: evaluate(head.type, pooled, units, options),
    };
  }
  return out;
}

async function judge(
  spec: LocalModelSpec,
  weights: LocalWeights,
  set: SetFeatures,
  head: HeadSpec,
): Promise<{ readonly data: Judged; readonly units: readonly string[] }> {
  const { scores, labels, records, outputs, outside } = await taskScores(spec, weights, set, head.task);
  const unitOfRow = new Map([...set.rowsOf].flatMap(([unit, rows]) => rows.map((row) => [row, unit])));
  const missed = Array.from(outside, (row) => unitOfRow.get(row) ?? set.ids[row]);
  const zeros = new Array<number>(missed.length * outputs).fill(0);
  return {
    data: { outputs, scores: [...scores, ...zeros], labels: [...labels, ...zeros] },
    units: [...Array.from(records, (row) => unitOfRow.get(row) ?? set.ids[row]), ...missed],
  };
}

function evaluate(
  type: HeadSpec["type"],
  data: Judged,
  units: readonly string[],
  options: BootstrapOptions,
): Evaluation {
  const figures = Object.entries(figuresOf(type)).flatMap(([name, figure]) => {
    const estimate = bootstrap(data, units, figure, options);
    return estimate === undefined ? [] : [[name, estimate] as const];
  });
  return {
    n: units.length,
    units: new Set(units).size,
    figures: Object.fromEntries(figures),
    ...(type === "binary" ? { reliability: reliability(data) } : {}),
  };
}
