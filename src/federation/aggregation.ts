import { flatten, type LocalWeights, unflatten } from "../local/mod.ts";
import type { Identity, MaskEngine } from "../secure_agg/mod.ts";
import { sha256Hex } from "../formats/canonical_json.ts";
import { toHex } from "../formats/hex.ts";
import { FedKimError } from "../formats/errors.ts";
import type { OnProgress } from "../formats/progress.ts";
import { publicValidation } from "./aggregator_results.ts";
import type { ArtefactStore } from "./artefact_store.ts";
import type { AggregatorConfig } from "./config.ts";
import type { AuditLog } from "./audit_log.ts";
import { type FederationPlan, federationPlanHash } from "./federation_plan.ts";
import { encodeFlat } from "./flat_model.ts";
import type { PublicStage } from "./public_stage.ts";
import { rosterOf, roundConfigOf, sealRoundOrder } from "./round_order.ts";
import type { RoundLog } from "./round_log.ts";
import { type RoundOutcome, RoundSession } from "./round_session.ts";
import type { RunFolder } from "./run_folder.ts";
import type { MetricLine, RunStore } from "./run_store.ts";
import { serverOptimizerOf } from "./server_defaults.ts";
import { initServerOptimizer, serverStep } from "./server_optimizer.ts";
import type { SiteDesk } from "./site_desk.ts";
import type { StepState } from "./step_state.ts";
import type { Strategy } from "./strategies/mod.ts";
import { checkedOutcome, checkSum } from "./sum_check.ts";
import { aggregateOf } from "./update_encoding.ts";
import { encodeWeights } from "./weights_file.ts";

/** Steps in a row that may abort before the federation gives up. */
const MAX_ABORTS_IN_A_ROW = 3;
/** Public validation of the local heads happens this many times over the schedule. */
const VALIDATIONS = 10;

/** What the aggregation steps need. */
export interface AggregationOptions {
  /** The aggregator's configuration. */
  readonly config: AggregatorConfig;
  /** The signed plan. */
  readonly plan: FederationPlan;
  /** Public-pretrained weights. */
  readonly base: LocalWeights;
  /** Public data, which may still be loading when a step is carried on. */
  readonly stage: Promise<PublicStage>;
  /** Where a run that is carried on stands; undefined for a new one. */
  readonly state: StepState | undefined;
  /** Where it is kept how far the run has come. */
  readonly runs: RunStore;
  /** What happened is noted here. */
  readonly audit: AuditLog;
  /** Where sites are met. */
  readonly desk: SiteDesk;
  /** The aggregator's identity. */
  readonly identity: Identity;
  /** What sites fetch by hash. */
  readonly artefacts: ArtefactStore;
  /** Where metrics and checkpoints go. */
  readonly run: RunFolder;
  /** Takes the masks out of the sums. */
  readonly engine: MaskEngine;
  /** A server's rule of one's own, instead of the one that the configuration names. */
  readonly strategy?: Strategy;
  /** Receives progress. */
  readonly onProgress: OnProgress;
}

/**
 * All aggregation steps of the signed schedule that are left: order, secure sum, server step. A step whose sum does not
 * pass the configured check counts as aborted, its sum is dropped. An aborted step is not
 * repeated: its charge stays and the schedule goes on. After each step the whole state is durable as one document.
 * @returns the federated parameters `[d]` after the last step
 * @throws the error of the third aborted step in a row
 */
export async function aggregate(options: AggregationOptions): Promise<Float64Array> {
  const { plan, base, desk, runs, onProgress, config: { sumCheck } } = options;
  const planHash = federationPlanHash(plan);
  const steps = plan.dp.request.steps;
  const anchor = flatten(plan.model.spec, base);
  let state = options.state ?? startOf(anchor);
  let detail = "";
  if (options.state === undefined) {
    ({ state, detail } = await validate(options, state));
    await runs.saveStep(planHash, state);
  }
  for (let round = state.round + 1; round <= steps; round++) {
    const log = runs.log(planHash, round);
    // A step that is carried on keeps the sites that it began with.
    if (!await log.begun()) await desk.enoughPresent(plan.secureAggregation.nMin);
    const given = await secureSum(options, round, encodeFlat(state.flat), log);
    const outcome = checkedOutcome(given, (sum, survivors) => {
      if (sumCheck !== undefined) checkSum(plan, sum, survivors, sumCheck);
    });
    state = outcome.kind === "sum"
      ? await summed(options, state, anchor, outcome)
      : await aborted(options, state, outcome.error);
    if (outcome.kind === "sum" && (round % Math.ceil(steps / VALIDATIONS) === 0 || round === steps)) {
      ({ state, detail } = await validate(options, state));
    }
    await runs.saveStep(planHash, state);
    await log.trim();
    if (outcome.kind === "aborted") {
      desk.tellAborted(round, outcome.error.message);
      if (state.abortsInARow >= MAX_ABORTS_IN_A_ROW) throw outcome.error;
    } else onProgress({ stage: "step", done: round, total: steps, detail });
  }
  return state.flat;
}

/** Before the first step. */
function startOf(anchor: Float64Array): StepState {
  const optimizer = initServerOptimizer(anchor.length);
  return { round: 0, abortsInARow: 0, flat: anchor, optimizer, best: undefined };
}

async function summed(
  options: AggregationOptions,
  before: StepState,
  anchor: Float64Array,
  { sum, survivors, transcript }: RoundOutcome & { readonly kind: "sum" },
): Promise<StepState> {
  const { plan, config, audit } = options;
  const round = before.round + 1;
  const { strategy } = options;
  const shipped = serverOptimizerOf(config, plan.dp.request.steps);
  const rule = strategy === undefined ? shipped : { ...shipped, strategy };
  const gradient = aggregatedGradient(plan, sum);
  const { state: optimizer, parameters: flat } = serverStep(
    rule,
    before.optimizer,
    before.flat,
    anchor,
    gradient,
  );
  const sumHash = sha256Hex(new Uint8Array(sum.buffer, sum.byteOffset, sum.byteLength));
  await noteMetric(options, {
    kind: "step",
    round,
    sites: survivors.length,
    transcript: toHex(transcript),
    sumHash,
  });
  await audit.record("aggregator", "step_summed", {
    step: round,
    sites: survivors.length,
    transcript: toHex(transcript),
  });
  return { ...before, round, abortsInARow: 0, flat, optimizer };
}

async function aborted(options: AggregationOptions, before: StepState, error: Error): Promise<StepState> {
  const round = before.round + 1;
  await noteAborted(options, round, error);
  return { ...before, round, abortsInARow: before.abortsInARow + 1 };
}

/** A step without a sum, in the metrics and in the audit log. */
export async function noteAborted(options: AggregationOptions, round: number, error: Error): Promise<void> {
  const code = error instanceof FedKimError ? error.code : "InternalError";
  const reason = error instanceof FedKimError ? error.details.reason : undefined;
  const why = reason === undefined ? {} : { reason };
  await noteMetric(options, { kind: "aborted", round, error: error.message, ...why });
  await options.audit.record("aggregator", "step_aborted", { step: round, code, ...why });
}

/** A line of the metrics: in the store first, which refuses it where another replica leads. */
export async function noteMetric(
  { plan, runs, run }: AggregationOptions,
  line: MetricLine,
): Promise<void> {
  await runs.metric(federationPlanHash(plan), line);
  await run.metric(line);
}

/**
 * What the server's rule goes down: the noised sum of clipped gradients, or in `local` mode the mean model update with
 * the sign of a gradient (Reddi et al. 2021, Algorithm 1). Both divisors are constants of the plan: a site that is
 * missing in a round makes the step shorter.
 *
 * @param plan the signed plan
 * @param sum the unmasked sum modulo 2^32
 */
export function aggregatedGradient(plan: FederationPlan, sum: Uint32Array): Float64Array {
  const divisor = plan.mode === "local" ? -plan.roster.length : plan.dp.request.maxUnitsPerStep;
  return aggregateOf(plan, sum).map((value) => value / divisor);
}

/**
 * One secure aggregation, with whoever is present.
 * @param options see {@link AggregationOptions}
 * @param round number of the step
 * @param model the artefact that sites fetch; the signed order names its hash
 * @param log the step's write-ahead log
 */
export async function secureSum(
  options: AggregationOptions,
  round: number,
  model: Uint8Array,
  log: RoundLog,
): Promise<RoundOutcome> {
  const { config, plan, desk, identity, artefacts } = options;
  const modelHash = artefacts.put(model);
  const roundConfig = roundConfigOf(plan, round, modelHash);
  try {
    return await desk.runSession(round, () =>
      RoundSession.open({
        config: roundConfig,
        enrolled: rosterOf(plan),
        order: sealRoundOrder(roundConfig, identity),
        mailboxes: desk.mailboxes,
        present: desk.present,
        phaseDeadlineMs: config.rounds.phaseDeadlineMs,
        log,
        engine: options.engine,
      }));
  } finally {
    artefacts.delete(modelHash);
  }
}

/** The learning curve: local heads on the public validation split; the best model so far is kept beside the newest. */
async function validate(
  options: AggregationOptions,
  state: StepState,
): Promise<{ readonly state: StepState; readonly detail: string }> {
  const { base, run } = options;
  const stage = await options.stage;
  const { round, best } = state;
  const weights = unflatten(stage.spec, base, state.flat);
  const auroc = await publicValidation(stage, weights);
  const values = Object.values(auroc);
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  await noteMetric(options, { kind: "validation", round, split: "public validation", auroc, mean });
  const better = best === undefined || mean > best.mean;
  if (round > 0) await run.checkpoint("weights", encodeWeights(weights));
  if (better) await run.checkpoint("best", encodeWeights(weights));
  return {
    state: better ? { ...state, best: { round, mean } } : state,
    detail: `public validation AUROC ${mean.toFixed(3)}`,
  };
}
