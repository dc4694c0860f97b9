import { type Estimates, estimatesOf } from "./intervals.ts";
import type { LocalModelSpec } from "../../local/mod.ts";
import type { TaskBins } from "./evaluation_model.ts";
import type { EvaluationPlan } from "./evaluation_plan.ts";
import { type Histogram, histogramsOf } from "./histogram.ts";
import { type Group, groupsOf } from "./layout.ts";
import { levelsOf } from "./subgroups.ts";
import { joined, shownLevels, type SuppressionReason, tooSmall, total, visibleFrom } from "./suppression.ts";

/** What is said about one group. */
export type GroupResult =
  | (Group & {
    readonly suppressed: false;
    /** Figures with 95 % intervals over patients and noise; null where one is not defined or says nothing. */
    readonly figures: Estimates;
    /** Probability of a bin, noisy numbers of units labelled no and yes: what a reliability diagram is drawn from. */
    readonly bins: readonly {
      /** Probability of yes that stands for the bin. */
      readonly probability: number;
      /** Units labelled no. */
      readonly no: number;
      /** Units labelled yes. */
      readonly yes: number;
    }[];
  })
  | (Group & {
    readonly suppressed: true;
    /** Why. */
    readonly reason: SuppressionReason;
  });

/** Results of one task. */
export interface TaskAcrossSites {
  /** Whether probabilities were calibrated on public labels. */
  readonly calibrated: boolean;
  /** Standard deviation of the noise in each count. */
  readonly noise: number;
  /** Everybody first, then subgroups. */
  readonly groups: readonly GroupResult[];
  /** Of each dimension the levels that are suppressed, as one group, where that may be shown. */
  readonly together?: readonly GroupResult[];
}

/** What the sites' evaluation gave. */
export interface CrossSiteEvaluation {
  /** Sites whose noised counts are in the sum. */
  readonly sites: number;
  /** Groups below it were suppressed. */
  readonly minimumCount: number;
  /** Promise to every held-out unit. */
  readonly privacy: readonly {
    /** Population of the ledgers. */
    readonly population: string;
    /** The privacy unit. */
    readonly unit: string;
    /** Upper bound, server and colluding sites together. */
    readonly epsilon: number;
    /** Probability that the bound does not cover. */
    readonly delta: number;
  }[];
  /** By task. */
  readonly tasks: Readonly<Record<string, TaskAcrossSites>>;
}

/**
 * Turns the unmasked sum into results. Suppression is a rule of publication: the noise protects, whatever is shown.
 *
 * @param evaluation the plan's evaluation
 * @param spec the local model
 * @param bins bins by task, as the sites used them
 * @param sum the unmasked sum modulo 2^32
 * @param survivors sites whose vectors are in the sum
 */
export function crossSiteResult(
  evaluation: EvaluationPlan,
  spec: LocalModelSpec,
  bins: Readonly<Record<string, TaskBins>>,
  sum: Uint32Array,
  survivors: number,
): CrossSiteEvaluation {
  const { minimumCount } = evaluation;
  const tasks = histogramsOf(evaluation, spec, sum, survivors).map((histograms, i): CountedTask => {
    const name = evaluation.tasks[i];
    const used = bins[name].probabilities.length;
    const all = histograms.map(({ no, yes, noise }) => ({
      no: no.slice(0, used),
      yes: yes.slice(0, used),
      noise,
    }));
    const { set } = spec.heads.find((head) => head.task === name)!;
    return {
      name,
      set,
      bins: bins[name],
      histograms: all,
      shown: tooSmall(all[0], minimumCount) === undefined,
    };
  });
  const parts = new Map([...new Set(tasks.map(({ set }) => set))].map((set) => {
    return [set, partsOf(evaluation, tasks.filter((task) => task.set === set && task.shown))];
  }));
  return {
    sites: survivors,
    minimumCount,
    privacy: evaluation.dp.guarantees.map(({ population, unit, epsilon, delta }) => ({
      population,
      unit,
      epsilon,
      delta,
    })),
    tasks: Object.fromEntries(tasks.map((task, i) => [
      task.name,
      taskResult(task, evaluation, parts.get(task.set)!, 1 + i * task.histograms.length),
    ])),
  };
}

/** Counts of one task. */
interface CountedTask {
  readonly name: string;
  readonly set: string;
  readonly bins: TaskBins;
  /** `[group]`, with the bins that the task uses. */
  readonly histograms: readonly Histogram[];
  /** Whether the figures of everybody are shown; nothing of the task is where they are not. */
  readonly shown: boolean;
}

/** What is shown of one dimension for all tasks of a set. */
interface Part {
  /** Name of the dimension. */
  readonly dimension: string;
  /** Numbers of its groups that are hidden. */
  readonly hidden: readonly number[];
  /** Whether they are shown as one group. */
  readonly together: boolean;
}

function partsOf({ subgroups, minimumCount }: EvaluationPlan, tasks: readonly CountedTask[]): Part[] {
  let first = 1;
  return subgroups.map((dimension) => {
    const start = first;
    first += levelsOf(dimension).length;
    const levels = tasks.map(({ histograms }) => histograms.slice(start, first));
    const { hidden, together } = shownLevels(levels, minimumCount);
    return { dimension: dimension.name, hidden: hidden.map((level) => start + level), together };
  });
}

function taskResult(
  { bins, histograms, shown }: CountedTask,
  evaluation: EvaluationPlan,
  parts: readonly Part[],
  seed: number,
): TaskAcrossSites {
  const groups = groupsOf(evaluation);
  const hidden = new Set(parts.flatMap((part) => part.hidden));
  return {
    calibrated: bins.calibrated,
    noise: histograms[0].noise,
    groups: groups.map((group, g): GroupResult => {
      const reason = tooSmall(histograms[g], evaluation.minimumCount) ??
        (hidden.has(g) || !shown ? "by_subtraction" as const : undefined);
      if (reason !== undefined) return { ...group, suppressed: true, reason };
      return { ...group, ...figures(histograms[g], bins, seed + g) };
    }),
    together: parts.filter(({ together }) => shown && together).map(({ dimension, hidden }) => ({
      dimension,
      level: hidden.map((g) => groups[g].level).join(" or "),
      ...figures(joined(hidden.map((g) => histograms[g])), bins, seed + hidden[0]),
    })),
  };
}

type Shown = Omit<Extract<GroupResult, { suppressed: false }>, keyof Group>;

function figures(histogram: Histogram, bins: TaskBins, seed: number): Shown {
  const { no, yes } = histogram;
  const [negatives, positives] = [total(no), total(yes)];
  const found = estimatesOf(histogram, bins, seed);
  const least = Math.max(1, visibleFrom(histogram));
  return {
    suppressed: false,
    figures: {
      ...found,
      auroc: negatives < least || positives < least ? null : found.auroc,
      sensitivity: positives < least ? null : found.sensitivity,
      specificity: negatives < least ? null : found.specificity,
    },
    bins: bins.probabilities.map((probability, bin) => ({ probability, no: no[bin], yes: yes[bin] })),
  };
}
