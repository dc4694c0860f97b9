import { decodeSum } from "../dp/mod.ts";
import { flatten, unflatten } from "../local/mod.ts";
import type { Identity } from "../secure_agg/mod.ts";
import { sha256Hex } from "../formats/canonical_json.ts";
import { toHex } from "../formats/hex.ts";
import type { OnProgress } from "../formats/progress.ts";
import { publicValidation } from "./aggregator_results.ts";
import type { ArtefactStore } from "./artefact_store.ts";
import type { AggregatorConfig } from "./config.ts";
import type { FederationPlan } from "./federation_plan.ts";
import { encodeFlat } from "./flat_model.ts";
import type { PublicStage } from "./public_stage.ts";
import { rosterOf, roundConfigOf, sealRoundOrder } from "./round_order.ts";
import { type RoundOutcome, RoundSession } from "./round_session.ts";
import type { RunFolder } from "./run_folder.ts";
import { serverOptimizerOf } from "./server_defaults.ts";
import { initServerOptimizer, serverStep } from "./server_optimizer.ts";
import type { SiteDesk } from "./site_desk.ts";
import { decodeModelUpdates } from "./update_encoding.ts";
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
  /** Public data and the model. */
  readonly stage: PublicStage;
  /** Where sites are met. */
  readonly desk: SiteDesk;
  /** The aggregator's identity. */
  readonly identity: Identity;
  /** What sites fetch by hash. */
  readonly artefacts: ArtefactStore;
  /** Where metrics and checkpoints go. */
  readonly run: RunFolder;
  /** Receives progress. */
  readonly onProgress: OnProgress;
}

/**
 * All aggregation steps of the signed schedule: order, secure sum, server step. An aborted step is not repeated: its
 * charge stays and the schedule goes on.
 * @returns the federated parameters `[d]` after the last step
 * @throws the error of the third aborted step in a row
 */
export async function aggregate(options: AggregationOptions): Promise<Float64Array> {
  const { config, plan, stage, desk, artefacts, run, onProgress } = options;
  const steps = plan.dp.request.steps;
  const anchor = flatten(stage.spec, stage.base);
  const optimizer = serverOptimizerOf(config, steps);
  let flat = anchor;
  let state = initServerOptimizer(anchor.length);
  let aborts = 0;
  let detail = await validate(options, flat, 0);
  for (let round = 1; round <= steps; round++) {
    await desk.enoughPresent(plan.secureAggregation.nMin);
    const modelHash = artefacts.put(encodeFlat(flat));
    const outcome = await runStep(options, round, modelHash);
    artefacts.delete(modelHash);
    if (outcome.kind === "aborted") {
      await run.metric({ kind: "aborted", round, error: outcome.error.message });
      desk.tellAll("abort", new TextEncoder().encode(outcome.error.message), round);
      if (++aborts >= MAX_ABORTS_IN_A_ROW) throw outcome.error;
      continue;
    }
    aborts = 0;
    const gradient = aggregatedGradient(plan, outcome.sum);
    ({ state, parameters: flat } = serverStep(optimizer, state, flat, anchor, gradient));
    await run.metric({
      kind: "step",
      round,
      sites: outcome.survivors.length,
      transcript: toHex(outcome.transcript),
      sumHash: sha256Hex(new Uint8Array(outcome.sum.buffer, outcome.sum.byteOffset, outcome.sum.byteLength)),
    });
    if (round % Math.ceil(steps / VALIDATIONS) === 0 || round === steps) {
      detail = await validate(options, flat, round);
      await Deno.writeFile(run.file("weights"), encodeWeights(unflatten(stage.spec, stage.base, flat)));
    }
    onProgress({ stage: "step", done: round, total: steps, detail });
  }
  return flat;
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
  if (plan.mode === "local") return decodeModelUpdates(plan, sum).map((value) => -value / plan.roster.length);
  return decodeSum(plan.dp, sum).map((value) => value / plan.dp.request.maxUnitsPerStep);
}

/** One secure aggregation, with whoever is present. */
async function runStep(options: AggregationOptions, round: number, modelHash: string): Promise<RoundOutcome> {
  const { config, plan, desk, identity } = options;
  const roundConfig = roundConfigOf(plan, round, modelHash);
  const session = new RoundSession({
    config: roundConfig,
    enrolled: rosterOf(plan),
    mailboxes: desk.mailboxes,
    present: desk.present,
    phaseDeadlineMs: config.rounds.phaseDeadlineMs,
    stateFolder: config.state,
  });
  return await desk.runSession(round, session, sealRoundOrder(roundConfig, identity));
}

/** The learning curve: local heads on the public validation split. */
async function validate(
  { stage, run }: AggregationOptions,
  flat: Float64Array,
  round: number,
): Promise<string> {
  const auroc = await publicValidation(stage, unflatten(stage.spec, stage.base, flat));
  const values = Object.values(auroc);
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  await run.metric({ kind: "validation", round, split: "public validation", auroc, mean });
  return `public validation AUROC ${mean.toFixed(3)}`;
}
