import { binaryResult, type TaskResult } from "../../src/federation/evaluation.ts";
import { scoreTexts, type TextScores } from "../../src/foundation/mod.ts";
import type { Cell, JobResult, TaskTruth } from "./_outcome.ts";
import { type Interval, pairedBootstrap, type Scores } from "./_paired_bootstrap.ts";
import { type Setting, settingName } from "./_settings.ts";

/** The five binary train tasks whose mean the targets are stated for. */
export const TRAINED = ["icu_mortality", "icu_ventilation", "icu_shock", "cxr_pneumonia", "ecg_pvc"] as const;
/** The unseen ICU and ECG tasks. */
export const UNSEEN = [
  "icu_respiratory_failure",
  "icu_kidney_injury",
  "icu_long_stay",
  "ecg_atrial_fibrillation",
] as const;

/** All cells of a run, and the truth that they are judged by. */
export interface Results {
  readonly cells: readonly Cell[];
  readonly truth: Readonly<Record<string, TaskTruth>>;
}

/** Joins what the workers handed back. */
export function joinResults(results: readonly JobResult[]): Results {
  // Jobs on the same encoders each judge the local heads.
  const keyOf = ({ setting, method, seed }: Cell): string => JSON.stringify([setting, method, seed]);
  const cells = new Map(results.flatMap((result) => result.cells.map((cell) => [keyOf(cell), cell])));
  return {
    cells: [...cells.values()],
    truth: Object.assign({}, ...results.map(({ truth }) => truth)),
  };
}

/** One method in one setting over all seeds. */
export interface Runs {
  readonly setting: Setting;
  readonly method: string;
}

/** Cells of one method in one setting, by rising seed. */
export function cellsOf({ cells }: Results, { setting, method }: Runs): Cell[] {
  const name = settingName(setting);
  return cells.filter((cell) => cell.setting === name && cell.method === method)
    .toSorted((a, b) => a.seed - b.seed);
}

/** Mean AUROC of some tasks over seeds, with its interval; undefined where nothing was run. */
export function meanAuroc(results: Results, runs: Runs, tasks: readonly string[]): Interval | undefined {
  const found = scoresOf(results, runs, tasks);
  return found === undefined ? undefined : pairedBootstrap(results.truth, tasks, [...found.values()]);
}

/** First minus second, over the seeds that both have. */
export function difference(
  results: Results,
  first: Runs,
  second: Runs,
  tasks: readonly string[],
): Interval | undefined {
  const [one, two] = [scoresOf(results, first, tasks), scoresOf(results, second, tasks)];
  if (one === undefined || two === undefined) return undefined;
  const seeds = [...one.keys()].filter((seed) => two.has(seed));
  if (seeds.length === 0) return undefined;
  const paired = (runs: ReadonlyMap<number, Scores>): Scores[] => seeds.map((seed) => runs.get(seed)!);
  return pairedBootstrap(results.truth, tasks, paired(one), paired(two));
}

/** Scores by seed. */
function scoresOf(
  results: Results,
  runs: Runs,
  tasks: readonly string[],
): ReadonlyMap<number, Scores> | undefined {
  const found = new Map(
    cellsOf(results, runs).map(({ seed, tasks: outcomes }) => [
      seed,
      new Map(tasks.flatMap((task) => {
        const outcome = outcomes[task];
        return outcome?.kind === "binary" ? [[task, outcome.scores] as const] : [];
      })),
    ]),
  );
  const complete = found.size > 0 && [...found.values()].every((scores) => scores.size === tasks.length);
  return complete ? found : undefined;
}

/** Accuracy, precision, recall, F1 and AUROC of one task at the public threshold, means over seeds. */
export type Decided = Pick<
  Extract<TaskResult, { type: "binary" }>,
  "accuracy" | "precision" | "recall" | "f1"
>;

/** The paper's metrics of one task; undefined where nothing was run. */
export function decided(results: Results, runs: Runs, task: string): Decided | undefined {
  const truth = results.truth[task];
  const each = cellsOf(results, runs).flatMap(({ tasks }) => {
    const outcome = tasks[task];
    if (outcome?.kind !== "binary") return [];
    const { scores, threshold } = outcome;
    const result = binaryResult(scores, truth.labels.map(Number), { threshold }, truth.people);
    return result.type === "binary" ? [result] : [];
  });
  if (each.length === 0) return undefined;
  const mean = (name: keyof Decided): number => each.reduce((sum, one) => sum + one[name] / each.length, 0);
  return { accuracy: mean("accuracy"), precision: mean("precision"), recall: mean("recall"), f1: mean("f1") };
}

/** BLEU-1, ROUGE-1 and METEOR of open answers, means over seeds. */
export function textScores(results: Results, runs: Runs, task: string): TextScores | undefined {
  const references = results.truth[task]?.labels.map(String) ?? [];
  const each = cellsOf(results, runs).flatMap(({ tasks }) => {
    const outcome = tasks[task];
    return outcome?.kind === "open" ? [scoreTexts(outcome.answers, references)] : [];
  });
  if (each.length === 0) return undefined;
  const mean = (name: keyof TextScores): number =>
    each.reduce((sum, one) => sum + one[name] / each.length, 0);
  return { bleu1: mean("bleu1"), rouge1: mean("rouge1"), rougeL: mean("rougeL"), meteor: mean("meteor") };
}
