import { dirname, join } from "node:path";
import { buildReport, type LedgerStatus, type PrivacyReport, readLedger } from "../src/dp/mod.ts";
import {
  type FederationPlan,
  readRunJson,
  readWithdrawals,
  SITE_FILES,
  UNACCOUNTED_RELEASES,
  withdrawalNote,
  withEvaluation,
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
  return withEvaluation(report, plan.evaluation);
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

/** Sites whose folders lie in the run's, as after the demo; an aggregator's own run has none. */
async function sitesIn(run: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(join(run, "sites")))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function ledgersOf(run: string): Promise<LedgerStatus[]> {
  const ledgers: LedgerStatus[] = [];
  for (const site of await sitesIn(run)) {
    ledgers.push(await readLedger(join(run, "sites", site, SITE_FILES.ledger)));
  }
  return ledgers.sort((a, b) => (a.site < b.site ? -1 : 1));
}

/** Counted from the sites' own data, which only someone on those machines can read. */
async function groupsOf(run: string): Promise<Group[]> {
  const largest = new Map<string, number>();
  for (const site of await sitesIn(run)) {
    const { data } = JSON.parse(await Deno.readTextFile(join(run, "sites", site, "client.json")));
    for (const { name, mostUnitsPerPatient } of (await indexFederationPart(data)).sets) {
      largest.set(name, Math.max(largest.get(name) ?? 0, mostUnitsPerPatient));
    }
  }
  return [...largest].filter(([, maxUnits]) => maxUnits > 1)
    .map(([population, maxUnits]) => ({ population, people: "people", maxUnits }));
}
