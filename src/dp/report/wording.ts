import type { ViewGuarantee } from "../plan/mod.ts";
import { count, lower, percent, probability, probabilityUpper, relation, upper } from "./format.ts";
import { REFUTED } from "./tables.ts";
import type {
  AuditSummary,
  ReportCurves,
  ReportGroup,
  ReportPlan,
  ReportSite,
  UnaccountedRelease,
} from "./types.ts";

/** Everything the paragraphs draw on. */
export interface SummaryFacts {
  readonly plan?: ReportPlan;
  readonly views: readonly ViewGuarantee[];
  readonly sites: readonly ReportSite[];
  readonly groups: readonly ReportGroup[];
  readonly curves: readonly ReportCurves[];
  readonly audits: readonly AuditSummary[];
  readonly unaccounted: readonly UnaccountedRelease[];
}

/** Paragraphs that a data-protection officer understands without knowing the mathematics. */
export function summaryOf(facts: SummaryFacts): string[] {
  return [...promise(facts), ...spending(facts), ...people(facts), ...audited(facts), ...limits(facts)];
}

function promise({ plan, views, curves }: SummaryFacts): string[] {
  if (plan === undefined) return [];
  const coalition = views.filter((v) => v.view === "coalition" && v.survivors === plan.cohort.nMin);
  const named = coalition.map((v) => `${upper(v.epsilon)} for one ${v.unit} in ${v.population}`).join(", ");
  const delta = probabilityUpper(coalition[0]?.delta ?? 0);
  const worst = curves.reduce((a, b) => (a.truePositiveRate >= b.truePositiveRate ? a : b), curves[0]);
  const colluders = count(plan.cohort.colluders, "other hospital");
  const text = [
    `Only noised sums over at least ${plan.cohort.nMin} hospitals left the hospitals. Suppose that ` +
    `somebody sees all ${
      count(plan.stepsRun, "published sum")
    }, runs the server, has the help of ${colluders}, and knows ` +
    `every record but one. The privacy loss epsilon, which limits how much better they can tell whether ` +
    `that one was used, is at most ${named} (delta ${delta}, ${relation(plan.neighboring)}).`,
  ];
  if (worst !== undefined) {
    text.push(
      `In plain terms, for the least protected set (${worst.population}): an attacker who wrongly accuses ` +
        `at most 1 in 1000 units that were not used recognises at most ${
          percent(worst.truePositiveRate)
        } of those ` +
        `that were. Without any information it would be 0.1 %.`,
    );
  }
  return text;
}

function spending({ sites }: SummaryFacts): string[] {
  const rows = sites.flatMap((site) => site.rows);
  if (rows.length === 0) return [];
  const fullest = rows.reduce((a, b) => (a.spent / a.budget >= b.spent / b.budget ? a : b));
  const torn = sites.reduce((sum, site) => sum + site.tornLines, 0);
  const loss = torn === 0
    ? ""
    : ` ${count(torn, "line")} of a ledger was lost to a power cut or crash and counted as spent.`;
  const changes = sites.reduce((sum, site) => sum + site.budgetChanges.length, 0);
  const changed = changes === 0
    ? ""
    : ` Budgets were changed after a ledger was opened (${
      count(changes, "change")
    }, listed below); what had been ` +
      `spent counts under the new ones.`;
  return [
    `Each hospital keeps its own ledger and charged it before anything was sent. Of the budgets, ` +
    `${fullest.population} is used most: ${upper(fullest.spent)} of ${upper(fullest.budget)}. ` +
    `When a budget is used up, the hospital's software refuses further rounds.${loss}${changed}`,
  ];
}

function people({ groups }: SummaryFacts): string[] {
  return groups.filter((group) => group.maxUnits > 1).map((group) => {
    const said = group.epsilonPerPerson === null
      ? "above 1000, which is no meaningful protection of that person"
      : group.epsilonPerPerson > 15
      ? `${upper(group.epsilonPerPerson)}, which is weak protection of that person`
      : upper(group.epsilonPerPerson);
    return `The promise for ${group.population} is per ${group.unit}, not per person. For ${group.people} ` +
      `with up to ${group.maxUnits} ${group.unit}s, epsilon is ${said}.`;
  });
}

function audited({ audits }: SummaryFacts): string[] {
  return audits.map((a) => {
    const verdict = a.pValue < REFUTED
      ? `REFUTES the claim (p = ${probability(a.pValue)}): do not release anything with this build`
      : "does not contradict the claim";
    const power = a.power === undefined
      ? ""
      : ` A build with half the noise would have been refuted with a chance of ${a.power.toFixed(2)}.`;
    return `An audit put ${a.canaries} artificial units, each at random, into the real training and aggregation ` +
      `path (${a.population}) and guessed from the result which were used: ${a.correct} of ${a.guesses} guesses were ` +
      `right. That shows epsilon to be at least ${lower(a.epsilonLower)} (${
        percent(a.confidence)
      } confidence), where ` +
      `the plan of the audit claims at most ${upper(a.epsilonUpper)} (delta ${
        probability(a.delta)
      }): the audit ` +
      `${verdict}.${power}`;
  });
}

function limits({ unaccounted }: SummaryFacts): string[] {
  if (unaccounted.length === 0) return [];
  return [
    `The numbers above do not cover ${count(unaccounted.length, "other thing")} that others can observe; ` +
    `they are listed under "Not covered by these numbers".`,
  ];
}
