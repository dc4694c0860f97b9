import { type Estimates, estimatesOf } from "./intervals.ts";
import type { LocalModelSpec } from "../../local/mod.ts";
import type { TaskBins } from "./evaluation_model.ts";
import type { EvaluationPlan } from "./evaluation_plan.ts";
import { type Histogram, histogramsOf } from "./histogram.ts";
import { type Group, groupsOf } from "./layout.ts";

/** A count below this many standard deviations of its noise says nothing. */
const DEVIATIONS = 3;

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
    /** Why: too few units, or fewer than the noise lets one tell. */
    readonly reason: "below_minimum_count" | "within_noise";
  });

/** Results of one task. */
export interface TaskAcrossSites {
  /** Whether probabilities were calibrated on public labels. */
  readonly calibrated: boolean;
  /** Standard deviation of the noise in each count. */
  readonly noise: number;
  /** Everybody first, then subgroups. */
  readonly groups: readonly GroupResult[];
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
  const histograms = histogramsOf(evaluation, spec, sum, survivors);
  const groups = groupsOf(evaluation);
  const tasks = evaluation.tasks.map((task, i): [string, TaskAcrossSites] => [task, {
    calibrated: bins[task].calibrated,
    noise: histograms[i][0].noise,
    groups: groups.map((group, g) => ({
      ...group,
      ...groupResult(histograms[i][g], bins[task], evaluation.minimumCount, 1 + i * groups.length + g),
    })),
  }]);
  return {
    sites: survivors,
    minimumCount: evaluation.minimumCount,
    privacy: evaluation.dp.guarantees.map(({ population, unit, epsilon, delta }) => ({
      population,
      unit,
      epsilon,
      delta,
    })),
    tasks: Object.fromEntries(tasks),
  };
}

type Said =
  | Omit<Extract<GroupResult, { suppressed: false }>, keyof Group>
  | Omit<Extract<GroupResult, { suppressed: true }>, keyof Group>;

function groupResult(histogram: Histogram, bins: TaskBins, minimumCount: number, seed: number): Said {
  const used = bins.probabilities.length;
  const no = histogram.no.slice(0, used), yes = histogram.yes.slice(0, used);
  const total = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);
  const [negatives, positives] = [total(no), total(yes)];
  const visible = DEVIATIONS * histogram.noise * Math.sqrt(used);
  if (!(negatives + positives >= minimumCount)) return { suppressed: true, reason: "below_minimum_count" };
  if (negatives + positives < visible * Math.SQRT2) return { suppressed: true, reason: "within_noise" };
  const figures = estimatesOf({ no, yes, noise: histogram.noise }, bins, seed);
  const least = Math.max(1, visible);
  return {
    suppressed: false,
    figures: {
      ...figures,
      auroc: negatives < least || positives < least ? null : figures.auroc,
      sensitivity: positives < least ? null : figures.sensitivity,
      specificity: negatives < least ? null : figures.specificity,
    },
    bins: bins.probabilities.map((probability, bin) => ({ probability, no: no[bin], yes: yes[bin] })),
  };
}
