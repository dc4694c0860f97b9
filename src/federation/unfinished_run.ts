import type { LocalWeights } from "../local/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import type { ArtefactStore } from "./artefact_store.ts";
import type { AggregatorConfig } from "./config.ts";
import { configHash } from "./config_hash.ts";
import type { EnrollmentBook } from "./enrollment_book.ts";
import { type FederationPlan, lastRound, openPlan } from "./federation_plan.ts";
import { encodeFlat } from "./flat_model.ts";
import type { RunFolder } from "./run_folder.ts";
import type { MetricLine, RunRecord, RunStore } from "./run_store.ts";
import type { SiteDesk } from "./site_desk.ts";
import type { StepState } from "./step_state.ts";
import { readWeights } from "./weights_file.ts";

/** Kinds of metric lines that a step writes before it is over. */
const REPEATED: ReadonlySet<string> = new Set(["step", "aborted", "validation"]);

/** A run whose plan is signed and that is not over. */
export interface UnfinishedRun {
  /** Where it stands. */
  readonly record: RunRecord;
  /** Its plan. */
  readonly plan: FederationPlan;
  /** The plan's hash. */
  readonly planHash: string;
  /** Public-pretrained weights. */
  readonly base: LocalWeights;
  /** The state after its last step; undefined before the first has begun. */
  readonly step: StepState | undefined;
}

/** What a run stands on, also when it is taken up again. */
export interface RestoreOptions {
  /** The aggregator's configuration. */
  readonly config: AggregatorConfig;
  /** Enrolled sites and the aggregator's own identity. */
  readonly book: EnrollmentBook;
  /** Where sites are met. */
  readonly desk: SiteDesk;
  /** What sites fetch by hash. */
  readonly artefacts: ArtefactStore;
  /** The run's folder. */
  readonly run: RunFolder;
  /** Where the run is kept. */
  readonly runs: RunStore;
}

/**
 * Takes the unfinished run up again, so far that sites may come: their mailboxes are open, and what they may fetch is
 * there or announced.
 * @returns undefined where there is no run, or the newest is over
 * @throws FedKimError `ConfigError` where the run was begun with another configuration
 */
export async function restoreRun(options: RestoreOptions): Promise<UnfinishedRun | undefined> {
  const { config, book, desk, artefacts, run, runs } = options;
  const record = await runs.record();
  if (record === undefined || record.state === "finished" || record.state === "failed") return undefined;
  if (record.configHash !== configHash(config)) {
    throw new FedKimError("ConfigError", "The unfinished run was begun with another configuration.", {
      found: `a run of ${config.federation} that is not over`,
      needed: "the configuration that it was begun with; addresses, folders and deadlines may differ",
      remedy: "finish it with the old file, or name another state folder (and store) for a new run",
    });
  }
  const { planHash } = record;
  const sealed = new TextEncoder().encode(record.sealedPlan);
  const plan = openPlan(sealed, book.identity.publicKey);
  const weights = await runs.baseWeights(planHash);
  await run.checkpoint("base", weights);
  const step = await runs.step(planHash);
  // What is not over yet will be noted again.
  const noted = (line: MetricLine) => line.round <= (step?.round ?? -1) || !REPEATED.has(line.kind);
  await run.rewriteMetrics((await runs.metrics(planHash)).filter(noted));
  artefacts.put(weights);
  artefacts.expect(plan.model.textTable);
  if (step !== undefined) artefacts.put(encodeFlat(step.flat));
  const evaluated = await runs.evaluationModel(planHash);
  if (evaluated !== undefined) artefacts.put(evaluated);
  const steps = lastRound(plan);
  const over = record.state === "injection" ? undefined : step?.round ?? 0;
  const sites = plan.roster.map(({ site }) => site);
  desk.restore({ hash: planHash, sealed, steps, sites }, await runs.accepted(planHash), over);
  return { record, plan, planHash, base: await readWeights(run.file("base")), step };
}
