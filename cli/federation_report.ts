import { dirname, join } from "node:path";
import {
  buildReport,
  type LedgerStatus,
  type PrivacyReport,
  readLedger,
  viewGuarantees,
} from "../src/dp/mod.ts";
import {
  type EvaluationPlan,
  type FederationPlan,
  readRunJson,
  readWithdrawals,
  SITE_FILES,
  UNACCOUNTED_RELEASES,
  withdrawalNote,
} from "../src/federation/mod.ts";
import { indexFederationPart } from "../src/local/mod.ts";

/** People who own many privacy units of a set, e.g. one person behind 90 ECG records. */
interface Group {
  readonly population: string;
  readonly people: string;
  readonly maxUnits: number;
}

/** The budget report of a whole run folder: the plan and every site's ledger that lies in it. */
export async function federationReport(run: string): Promise<PrivacyReport> {
  const { plan } = await readRunJson<{ plan: FederationPlan }>(run, "run");
  const report = buildReport({
    title: `Federation ${plan.federation}`,
    plan: plan.dp,
    ledgers: await ledgersOf(run),
    unaccounted: [...UNACCOUNTED_RELEASES],
    groups: (await groupsOf(run)).filter(({ population }) =>
      plan.dp.request.populations.some(({ name }) => name === population)
    ),
    generatedAt: new Date().toISOString(),
  });
  return plan.evaluation === undefined ? report : withEvaluation(report, plan.evaluation);
}

/** The evaluation is a release of its own, to other patients than those that were trained on. */
function withEvaluation(report: PrivacyReport, { dp, tasks }: EvaluationPlan): PrivacyReport {
  const promises = dp.guarantees.map(({ population, unit, epsilon, delta }) =>
    `${epsilon.toFixed(3)} for one ${unit} in ${population} (delta ${delta})`
  );
  const paragraph =
    `After the last step the model was to be evaluated on held-out patients, in one further noised ` +
    `sum of ${dp.request.dimension} counts for ${tasks.length} tasks. Epsilon is at most ${
      promises.join(", ")
    }. Held-out patients are in no training step and the others in no evaluation, so the two do not add up.`;
  return {
    ...report,
    summary: [...report.summary, paragraph],
    views: [...report.views, ...viewGuarantees(dp)],
  };
}

/** The budget report of one ledger file, and what the list of withdrawals beside it says. */
export async function ledgerReport(path: string): Promise<PrivacyReport> {
  const status = await readLedger(path);
  const report = buildReport({
    title: `Ledger of ${status.site}`,
    ledgers: [status],
    unaccounted: [...UNACCOUNTED_RELEASES],
    groups: [],
    generatedAt: new Date().toISOString(),
  });
  const note = withdrawalNote(await readWithdrawals(dirname(path)));
  return note === undefined ? report : { ...report, summary: [...report.summary, note] };
}

/** One line per set for `demo --json`: who is protected, in which tasks, and how much of the budget is spent. */
export interface PrivacySummary {
  /** The privacy unit. */
  readonly unit: string;
  /** The set whose records are meant. */
  readonly set: string;
  /** Tasks that were trained on it. */
  readonly tasks: readonly string[];
  /** Who the bound is stated against. */
  readonly view: string;
  /** Probability that the bound does not cover. */
  readonly delta: number;
  /** PLD upper bound of the signed schedule. */
  readonly epsilon: number;
}

/** What a run's signed schedule promises, set by set. In `local` mode it needs no other site to be honest. */
export async function privacySummary(run: string): Promise<PrivacySummary[]> {
  const { plan } = await readRunJson<{ plan: FederationPlan }>(run, "run");
  return plan.dp.guarantees
    .map(({ unit, population, delta, epsilon }) => ({
      unit,
      set: population,
      tasks: plan.model.spec.heads.filter((head) => head.set === population).map((head) => head.task),
      view: plan.mode === "local"
        ? "everybody else"
        : `coalition of ${plan.dp.request.cohort.colluders} site and server`,
      delta,
      epsilon,
    }));
}

async function ledgersOf(run: string): Promise<LedgerStatus[]> {
  const ledgers: LedgerStatus[] = [];
  for await (const folder of Deno.readDir(join(run, "sites"))) {
    ledgers.push(await readLedger(join(run, "sites", folder.name, SITE_FILES.ledger)));
  }
  return ledgers.sort((a, b) => (a.site < b.site ? -1 : 1));
}

/** Counted from the sites' own data, which only someone on those machines can read. */
async function groupsOf(run: string): Promise<Group[]> {
  const largest = new Map<string, number>();
  for await (const folder of Deno.readDir(join(run, "sites"))) {
    const { data } = JSON.parse(await Deno.readTextFile(join(run, "sites", folder.name, "client.json")));
    for (const { name, mostUnitsPerPatient } of (await indexFederationPart(data)).sets) {
      largest.set(name, Math.max(largest.get(name) ?? 0, mostUnitsPerPatient));
    }
  }
  return [...largest].filter(([, maxUnits]) => maxUnits > 1)
    .map(([population, maxUnits]) => ({ population, people: "people", maxUnits }));
}
