import { join } from "node:path";
import { composedAt } from "./epsilon_curve.ts";
import type { EnrollmentBook } from "../enrollment_book.ts";
import type { FederationPlan } from "../federation_plan.ts";
import type { FederationResult } from "../aggregator.ts";
import { ledgerStatementOf } from "../ledger_statement.ts";
import { RUN_FILES } from "../run_folder.ts";
import type { SiteDesk } from "../site_desk.ts";
import type { CrossSiteEvaluation } from "../site_evaluation/mod.ts";
import { FileHashes } from "./file_hashes.ts";
import { Paced } from "./paced.ts";
import type { EpsilonCurve, LearningCurve, SiteRow, Snapshot, StepRow } from "./snapshot.ts";

/** Audit entries that a snapshot carries. */
const AUDIT_ENTRIES = 100;

/** Shortest time between two snapshots, however many pages ask for one, milliseconds. */
export const SNAPSHOT_MS = 1_000;

/** What the dashboard reads; nothing of it is written. */
export interface DashboardOptions {
  /** Name of the federation. */
  readonly federation: string;
  /** Members and audit log. */
  readonly book: EnrollmentBook;
  /** Where sites are met. */
  readonly desk: SiteDesk;
  /** The run's folder. */
  readonly run: string;
}

/** Collects what the dashboard shows from the running aggregator and its run folder. */
export class DashboardSource {
  readonly #hashes: FileHashes;
  readonly #snapshots = new Paced(() => this.#collect(), SNAPSHOT_MS);
  #curves: { readonly planHash: string; readonly curves: Promise<EpsilonCurve[]> } | undefined;

  /** @param options see {@link DashboardOptions} */
  constructor(private readonly options: DashboardOptions) {
    this.#hashes = new FileHashes(options.run);
    options.desk.subscribe(() => this.#snapshots.touch());
  }

  /** Calls back after anything has changed; returns how to stop. */
  subscribe(listener: () => void): () => void {
    return this.options.desk.subscribe(listener);
  }

  /** True once the aggregator ends. */
  get ended(): boolean {
    return this.options.desk.closed;
  }

  /** The signed plan of the run, once there is one. */
  async plan(): Promise<{ readonly plan: FederationPlan; readonly planHash: string } | undefined> {
    return await this.#json<{ plan: FederationPlan; planHash: string }>(RUN_FILES.run);
  }

  /**
   * The present state as one piece of data, shared by all who ask within a second.
   * @param member who asks; a member of the snapshot
   */
  async snapshot(member: string): Promise<Snapshot> {
    const known = await this.#snapshots.get();
    if (known.sites.some(({ site }) => site === member)) return known;
    this.#snapshots.touch();
    return await this.#snapshots.get();
  }

  async #collect(): Promise<Snapshot> {
    const { federation, desk, book } = this.options;
    const [run, result, metrics, sites] = await Promise.all([
      this.plan(),
      this.#json<FederationResult>(RUN_FILES.evaluation),
      this.#metrics(),
      this.#sites(),
    ]);
    const newest = await book.audit.newest();
    const steps = run?.plan.dp.request.steps;
    // The folder may still hold what an older plan came to.
    const own = result?.planHash === run?.planHash ? result : undefined;
    return {
      federation,
      stage: desk.stage,
      steps,
      planHash: run?.planHash,
      cohort: run?.plan.dp.request.cohort.n,
      live: desk.liveStep(),
      // The evaluation is a step to the desk, and no step of the training's schedule.
      sites: sites.map((row) => ({ ...row, steps: Math.min(row.steps, steps ?? row.steps) })),
      history: historyOf(metrics),
      epsilon: run === undefined ? [] : await this.#epsilon(run),
      delta: run?.plan.dp.request.delta,
      learning: learningOf(metrics),
      routing: own?.routing as Snapshot["routing"],
      results: own?.tasks,
      crossSite: metrics.findLast(({ kind }) => kind === "cross_site_evaluation")?.result,
      artefacts: await this.#hashes.list(),
      audit: (await book.audit.read(Math.max(0, newest - AUDIT_ENTRIES), AUDIT_ENTRIES)).reverse(),
    };
  }

  #epsilon({ plan, planHash }: { plan: FederationPlan; planHash: string }): Promise<EpsilonCurve[]> {
    if (this.#curves?.planHash !== planHash) this.#curves = { planHash, curves: composedAt(plan.dp) };
    return this.#curves.curves;
  }

  async #sites(): Promise<SiteRow[]> {
    const { book, desk } = this.options;
    const names = new Set([...await book.members(), ...await book.invited()]);
    return await Promise.all(
      [...names].sort().map(async (site) => {
        const member = await book.member(site);
        const visit = desk.visit(site);
        const state = member === undefined ? "invited" : member.revoked ? "revoked" : desk.stateOf(site);
        return {
          site,
          role: member?.role ?? "site",
          state,
          software: visit?.software,
          lastSeen: visit?.lastSeen,
          steps: desk.stepsOf(site),
          head: await book.headOf(site),
          statement: await ledgerStatementOf(book, site),
        };
      }),
    );
  }

  async #metrics(): Promise<Metric[]> {
    const text = await Deno.readTextFile(join(this.options.run, RUN_FILES.metrics)).catch(() => "");
    // The last line may be half written.
    return text.split("\n").slice(0, -1).map((line) => JSON.parse(line) as Metric);
  }

  async #json<T>(file: string): Promise<T | undefined> {
    try {
      return JSON.parse(await Deno.readTextFile(join(this.options.run, file))) as T;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }
}

/** A line of `metrics.jsonl`. */
interface Metric {
  readonly kind: string;
  readonly round: number;
  readonly sites?: number;
  readonly error?: string;
  readonly auroc?: Readonly<Record<string, number>>;
  readonly result?: CrossSiteEvaluation;
}

function historyOf(metrics: readonly Metric[]): StepRow[] {
  return metrics.filter(({ kind }) => kind === "step" || kind === "aborted")
    .map(({ round, sites, error }) => ({ round, sites, error })).reverse();
}

function learningOf(metrics: readonly Metric[]): LearningCurve[] {
  const curves = new Map<string, [number, number][]>();
  for (const { kind, round, auroc } of metrics) {
    if (kind !== "validation") continue;
    for (const [task, value] of Object.entries(auroc ?? {})) {
      curves.set(task, [...curves.get(task) ?? [], [round, value]]);
    }
  }
  return [...curves].map(([task, points]) => ({ task, points }));
}
