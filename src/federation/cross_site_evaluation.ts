import { unflatten } from "../local/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { toHex } from "../formats/hex.ts";
import { sha256Hex } from "../formats/canonical_json.ts";
import { type AggregationOptions, noteAborted, noteMetric, secureSum } from "./aggregation.ts";
import { type FederationPlan, federationPlanHash, lastRound } from "./federation_plan.ts";
import { decodeFlat, encodeFlat } from "./flat_model.ts";
import type { RoundOutcome } from "./round_session.ts";
import type { RunStore } from "./run_store.ts";
import { checkedOutcome, checkEvaluationSum } from "./sum_check.ts";
import {
  type CrossSiteEvaluation,
  crossSiteResult,
  decodeEvaluationModel,
  encodeEvaluationModel,
  type EvaluationPlan,
  publicBins,
} from "./site_evaluation/mod.ts";

const KIND = "cross_site_evaluation";

/**
 * The evaluation that a plan ends with: one more secure sum, over the sites' held-out patients. Too few sites, or a
 * round that is given up, leave the run without it; nothing is asked twice. Its result is a line of the metrics.
 * @param options what aggregation needs
 * @param flat federated parameters after the last step `[d]`
 * @throws FedKimError `StoreError`, or the signal's reason
 */
export async function evaluateAcrossSites(options: AggregationOptions, flat: Float64Array): Promise<void> {
  const { plan, runs, desk, onProgress, config: { sumCheck } } = options;
  const planHash = federationPlanHash(plan);
  const round = lastRound(plan);
  if (plan.evaluation === undefined || await isOver(runs, planHash, round)) return;
  desk.stage = "evaluation at the sites";
  onProgress({ stage: "site_evaluation", done: 0, total: 1 });
  const artefact = await runs.evaluationModel(planHash) ?? await modelOf(options, plan.evaluation, flat);
  await runs.saveEvaluationModel(planHash, artefact);
  const log = runs.log(planHash, round);
  const given = await sumOf(options, round, artefact, await log.begun());
  const { evaluation } = plan;
  const outcome = checkedOutcome(given, (sum, survivors) => {
    if (sumCheck !== undefined) checkEvaluationSum(evaluation, sum, survivors, sumCheck);
  });
  if (outcome.kind === "sum") await summed(options, evaluation, artefact, outcome);
  else {
    await noteAborted(options, round, outcome.error);
    desk.tellAborted(round, outcome.error.message);
  }
  await log.trim();
  onProgress({ stage: "site_evaluation", done: 1, total: 1 });
}

/** The result of a run's evaluation; undefined where there was none, or no sum. */
export async function crossSiteResultOf(
  runs: RunStore,
  plan: FederationPlan,
): Promise<CrossSiteEvaluation | undefined> {
  if (plan.evaluation === undefined) return undefined;
  const line = (await runs.metrics(federationPlanHash(plan))).find(({ kind }) => kind === KIND);
  return line?.result as CrossSiteEvaluation | undefined;
}

async function isOver(runs: RunStore, planHash: string, round: number): Promise<boolean> {
  return (await runs.metrics(planHash)).some((line) =>
    line.round === round && (line.kind === KIND || line.kind === "aborted")
  );
}

/** What is evaluated: the parameters as the sites will read them, and bins from public data. */
async function modelOf(
  options: AggregationOptions,
  { tasks, bins: most }: EvaluationPlan,
  flat: Float64Array,
): Promise<Uint8Array> {
  const { plan, base } = options;
  const { spec } = plan.model;
  const sent = decodeFlat(encodeFlat(flat), flat.length);
  const bins = await publicBins(spec, unflatten(spec, base, sent), await options.stage, tasks, most);
  return encodeEvaluationModel({ flat: sent, bins });
}

async function sumOf(
  options: AggregationOptions,
  round: number,
  artefact: Uint8Array,
  begun: boolean,
): Promise<RoundOutcome> {
  const { plan, desk, runs } = options;
  try {
    if (!begun) await desk.enoughPresent(plan.secureAggregation.nMin);
  } catch (error) {
    if (error instanceof FedKimError && error.code === "BelowThreshold") return { kind: "aborted", error };
    throw error;
  }
  return await secureSum(options, round, artefact, runs.log(federationPlanHash(plan), round));
}

async function summed(
  options: AggregationOptions,
  evaluation: EvaluationPlan,
  artefact: Uint8Array,
  { sum, survivors, transcript }: RoundOutcome & { readonly kind: "sum" },
): Promise<void> {
  const { plan } = options;
  const { spec } = plan.model;
  const dimension = plan.dp.request.dimension;
  const { bins } = decodeEvaluationModel(artefact, dimension, evaluation.tasks, evaluation.bins);
  await noteMetric(options, {
    kind: KIND,
    round: lastRound(plan),
    sites: survivors.length,
    transcript: toHex(transcript),
    sumHash: sha256Hex(new Uint8Array(sum.buffer, sum.byteOffset, sum.byteLength)),
    result: crossSiteResult(evaluation, spec, bins, sum, survivors.length),
  });
  await options.audit.record("aggregator", "step_summed", {
    step: lastRound(plan),
    sites: survivors.length,
    transcript: toHex(transcript),
  });
}
