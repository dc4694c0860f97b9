import { epsilonAt } from "../accounting/mod.ts";
import type { LedgerStatus } from "../ledger/mod.ts";
import { type DpPlan, groupEvent, planHash, viewGuarantees } from "../plan/mod.ts";
import { reportCurves } from "./curves.ts";
import type {
  AuditSummary,
  PeopleGroup,
  PrivacyReport,
  ReportGroup,
  ReportInput,
  ReportPlan,
  ReportSite,
} from "./types.ts";
import { summaryOf } from "./wording.ts";

/** A person's epsilon above this says nothing any more. */
const MEANINGLESS = 1000;

function siteOf(status: LedgerStatus, audits: readonly AuditSummary[]): ReportSite {
  return {
    site: status.site,
    head: status.head,
    since: status.since,
    tornLines: status.tornLines,
    budgetChanges: status.budgetChanges,
    rows: status.populations.map((p) => {
      const audit = audits.find((a) => a.population === p.budget.population);
      return {
        population: p.budget.population,
        unit: p.budget.unit,
        neighboring: p.budget.neighboring,
        budget: p.budget.epsilon,
        delta: p.budget.delta,
        deltaLeft: p.deltaLeft,
        spent: p.spent,
        ...(p.spentRdp === undefined ? {} : { spentRdp: p.spentRdp }),
        left: p.left,
        committed: p.committed,
        rounds: p.rounds,
        ...(p.roundsLeft === undefined ? {} : { roundsLeft: p.roundsLeft }),
        ...(audit === undefined ? {} : { auditLower: audit.epsilonLower }),
      };
    }),
  };
}

function planOf(plan: DpPlan, stepsRun: number): ReportPlan {
  const { request, noise } = plan;
  return {
    hash: planHash(plan),
    steps: request.steps,
    stepsRun,
    dimension: request.dimension,
    noiseMultiplier: noise.noiseMultiplier,
    cohort: { ...request.cohort, honestShares: noise.honestShares },
    neighboring: request.neighboring,
    setsAreDisjoint: request.setsAreDisjoint,
    populations: request.populations.map((p) => ({ ...p, maxSitesPerUnit: p.maxSitesPerUnit ?? 1 })),
  };
}

function groupOf(plan: DpPlan, steps: number, group: PeopleGroup): ReportGroup {
  const { neighboring, delta, populations } = plan.request;
  const at = (units: number) =>
    epsilonAt(groupEvent(plan, group.population, units, steps), delta, { neighboring }).epsilon;
  const epsilon = at(group.maxUnits);
  return {
    ...group,
    unit: populations.find((p) => p.name === group.population)?.unit ?? "record",
    epsilonPerUnit: at(1),
    epsilonPerPerson: epsilon <= MEANINGLESS ? epsilon : null,
    delta,
  };
}

/**
 * Builds the budget report, as plain data, from ledgers, plan, audits and what the caller knows to be
 * uncovered.
 */
export function buildReport(input: ReportInput): PrivacyReport {
  const { plan, audits = [], unaccounted } = input;
  const sites = [
    ...input.ledgers.map((ledger) => siteOf(ledger, audits)),
    ...input.statements ?? [],
  ];
  const charged = Math.max(0, ...sites.flatMap(({ rows }) => rows.map((row) => row.rounds)));
  const steps = Math.max(1, input.steps ?? (charged > 0 ? charged : plan?.request.steps ?? 1));
  const views = plan === undefined ? [] : viewGuarantees(plan, steps);
  const curves = plan === undefined ? [] : reportCurves(plan, steps);
  const groups = plan === undefined ? [] : input.groups.map((group) => groupOf(plan, steps, group));
  const described = plan === undefined ? {} : { plan: planOf(plan, steps) };
  const facts = { ...described, views, sites, groups, curves, audits, unaccounted };
  return {
    format: "fedkim-privacy-report/1",
    title: input.title,
    generatedAt: input.generatedAt,
    summary: summaryOf(facts),
    ...facts,
    ...(input.elsewhere === undefined ? {} : { elsewhere: input.elsewhere }),
    numericSlack: plan === undefined ? 0 : numericSlack(plan, steps),
  };
}

/** Largest numeric slack over the populations: cut tails and transform noise, in delta. */
function numericSlack(plan: DpPlan, steps: number): number {
  const { neighboring, delta } = plan.request;
  return Math.max(...plan.events.map(({ step }) => {
    const { slack } = epsilonAt({ type: "self_composed", event: step, count: steps }, delta, { neighboring });
    return slack === undefined ? 0 : slack.tailMass + slack.transformNoise;
  }));
}
