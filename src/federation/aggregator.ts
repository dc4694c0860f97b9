import { describeSpec, unflatten } from "../local/mod.ts";
import { saveInjection } from "../m3oe/mod.ts";
import type { MaskEngine } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { toHex } from "../formats/hex.ts";
import type { OnProgress } from "../formats/progress.ts";
import { VERSION } from "../formats/version.ts";
import { aggregate } from "./aggregation.ts";
import type { AuditLog } from "./audit_log.ts";
import { evaluateFolder, type EvaluationResult, injectKnowledge } from "./aggregator_results.ts";
import { chooseCohort, cohortOf, cohortSize } from "./cohort.ts";
import { checkEarlierRun, openEarlierRun } from "./earlier_run.ts";
import { configHash } from "./config_hash.ts";
import type { EnrollmentBook } from "./enrollment_book.ts";
import type { TaskDecision } from "./decisions.ts";
import { crossSiteResultOf, evaluateAcrossSites } from "./cross_site_evaluation.ts";
import { type FederationPlan, federationPlanHash, lastRound, sealPlan } from "./federation_plan.ts";
import { type Holdings, requireHolders } from "./holdings.ts";
import { type CrossSiteEvaluation, makeEvaluationPlan } from "./site_evaluation/mod.ts";
import { readRunJson } from "./finished_run.ts";
import type { Strategy } from "./strategies/mod.ts";
import { makeDpPlan, preparePublic, type PublicStage } from "./public_stage.ts";
import type { RestoreOptions, UnfinishedRun } from "./unfinished_run.ts";
import { encodeWeights } from "./weights_file.ts";

/** How long the aggregator stays up for sites to fetch their last letter, milliseconds. */
const FAREWELL_MS = 10_000;

/** What a federation needs. */
export interface FederationOptions extends RestoreOptions {
  /** What happens is noted here. */
  readonly audit: AuditLog;
  /** Takes the masks out of the sums. */
  readonly engine: MaskEngine;
  /** A server's rule of one's own, instead of the one that the configuration names. */
  readonly strategy?: Strategy;
  /** Receives progress. */
  readonly onProgress: OnProgress;
}

/** What a finished federation gives. */
export interface FederationResult {
  /** The run's folder. */
  readonly run: string;
  /** Hash of the signed plan. */
  readonly planHash: string;
  /** Aggregation steps of the schedule. */
  readonly steps: number;
  /** Wall-clock seconds from start to result. */
  readonly seconds: number;
  /** Trained and frozen parameters of the injection. */
  readonly trainable: unknown;
  /** Thresholds and calibrations by task, from public data. */
  readonly decisions: Readonly<Record<string, TaskDecision>>;
  /** Gate weights by task. */
  readonly routing: unknown;
  /** Results on the test folder. */
  readonly tasks?: EvaluationResult;
  /** Results on the sites' held-out patients, where the plan has them evaluated. */
  readonly crossSite?: CrossSiteEvaluation;
}

/**
 * A federation from public pre-training to evaluation, or what is left of it after a restart. What ends it for good is
 * told to the sites too; after anything else the same run can be carried on.
 * @param options see {@link FederationOptions}
 * @param restored the unfinished run, where there is one
 * @throws FedKimError with the code of whatever ended it
 */
export async function runFederation(
  options: FederationOptions,
  restored: UnfinishedRun | undefined,
): Promise<FederationResult> {
  const started = performance.now();
  const { run, runs, audit, book, desk } = options;
  const begun = restored === undefined
    ? await beginOrTell(options)
    : { unfinished: restored, stage: publicStageOf(options, restored) };
  const { unfinished, stage } = begun;
  const { plan, planHash, base, record } = unfinished;
  await writeRunJson(options, unfinished);
  let flat: Float64Array;
  if (record.state === "injection") {
    flat = unfinished.step!.flat;
  } else {
    try {
      if (unfinished.step === undefined) await desk.allAccepted();
      desk.stage = "aggregation";
      const { identity } = book;
      const aggregation = { ...options, plan, base, stage, state: unfinished.step, identity };
      flat = await aggregate(aggregation);
      await evaluateAcrossSites(aggregation, flat);
    } catch (error) {
      if (endsRun(error)) {
        await audit.record("aggregator", "run_failed", { planHash, code: error.code });
        await runs.end(record, "failed", { code: error.code, message: error.message });
        await desk.farewell(error, FAREWELL_MS);
      }
      throw error;
    }
    await runs.advance(record, "injection");
  }
  await run.checkpoint("weights", encodeWeights(unflatten(plan.model.spec, base, flat)));
  await desk.farewell(undefined, FAREWELL_MS);
  const result = await results(options, unfinished, await stage, flat, started);
  await audit.record("aggregator", "run_finished", { planHash });
  await runs.end(record, "finished", result);
  await run.remove("injectionState");
  desk.stage = "finished";
  return result;
}

/** Ends for which there is nothing to carry on: everything else is this machine's trouble, and the run waits for it. */
function endsRun(error: unknown): error is FedKimError {
  return error instanceof FedKimError &&
    ["PolicyRefused", "BelowThreshold", "ProtocolAbort", "NetworkError"].includes(error.code);
}

/** A new run; sites that have come for it already are told where it cannot begin. */
async function beginOrTell(
  options: FederationOptions,
): Promise<{ readonly unfinished: UnfinishedRun; readonly stage: Promise<PublicStage> }> {
  const { desk, audit } = options;
  try {
    desk.stage = "public pre-training";
    const { config, onProgress } = options;
    const earlier = config.startFrom === undefined ? undefined : await openEarlierRun(config.startFrom);
    const stage = await preparePublic(config, onProgress, earlier);
    if (earlier !== undefined) checkEarlierRun(earlier, config, stage);
    return { unfinished: await agree(options, stage), stage: Promise.resolve(stage) };
  } catch (error) {
    if (error instanceof FedKimError && error.code !== "StoreError") {
      await audit.record("aggregator", "run_failed", { code: error.code });
      await desk.farewell(error, FAREWELL_MS);
    }
    throw error;
  }
}

/** Public data around the model of an unfinished run; loads while its step goes on. */
function publicStageOf(options: FederationOptions, { plan, base }: UnfinishedRun): Promise<PublicStage> {
  const stage = preparePublic(options.config, options.onProgress, { spec: plan.model.spec, base })
    .then((prepared) => {
      const found = options.artefacts.put(prepared.textTable);
      if (found === plan.model.textTable) return prepared;
      throw new FedKimError("ConfigError", "The foundation model is another one than the unfinished run's.", {
        found: `a token table with SHA-256 ${found}`,
        needed: plan.model.textTable,
        remedy: "put the old model back, or name another state folder for a new run",
      });
    });
  // Whoever awaits it hears of a failure; until then it is nobody's unhandled one.
  stage.catch(() => {});
  return stage;
}

/** Injection and evaluation. */
async function results(
  { config, desk, run, runs, onProgress }: FederationOptions,
  { plan, planHash, base }: UnfinishedRun,
  stage: PublicStage,
  flat: Float64Array,
  started: number,
): Promise<FederationResult> {
  const weights = unflatten(plan.model.spec, base, flat);
  desk.stage = "injection";
  const checkpoint = run.file("injectionState");
  const options = { seed: config.seed, ...config.injection, checkpoint };
  const injected = await injectKnowledge(stage, weights, options, onProgress);
  await saveInjection(injected.model, run.file("injection"));
  const injection = {
    run: run.path,
    planHash,
    steps: plan.dp.request.steps,
    trainable: injected.model.summary,
    decisions: injected.decisions,
    routing: await injected.model.routing(),
  };
  const crossSite = await crossSiteResultOf(runs, plan);
  const seconds = () => (performance.now() - started) / 1000;
  // Whoever watches sees the gate while the evaluation runs.
  await run.json("evaluation", { ...injection, seconds: seconds() });
  desk.stage = "evaluation";
  const tasks = config.data.test === undefined
    ? undefined
    : await evaluateFolder(config.data.test, stage, weights, injected, onProgress);
  const result: FederationResult = {
    ...injection,
    seconds: seconds(),
    ...(tasks === undefined ? {} : { tasks }),
    ...(crossSite === undefined ? {} : { crossSite }),
  };
  await run.json("evaluation", result);
  return result;
}

/** The run as its folder tells it; a run that is carried on keeps what was written at its start. */
async function writeRunJson(
  { run, config }: FederationOptions,
  { plan, planHash }: UnfinishedRun,
): Promise<void> {
  const known = await readRunJson<{ planHash?: unknown }>(run.path, "run").catch(() => undefined);
  if (known?.planHash === planHash) return;
  // The store's address may hold a password.
  const { store: _, ...shown } = config;
  await run.json("run", {
    plan,
    planHash,
    config: shown,
    layers: describeSpec(plan.model.spec),
    versions: { fedkim: VERSION, deno: Deno.version.deno, v8: Deno.version.v8 },
    startedAt: new Date().toISOString(),
  });
}

/** Waits for the sites, signs the plan and offers it; it is durable before anybody sees it. */
async function agree(options: FederationOptions, stage: PublicStage): Promise<UnfinishedRun> {
  const { config, desk } = options;
  desk.stage = "waiting for sites";
  const size = cohortSize(config);
  const chosen = chooseCohort(await desk.allJoined(size), size);
  return await desk.whileKeysStay(() => offerPlan(options, stage, chosen));
}

/** Signs the plan with the keys of today and offers it; nobody changes a key meanwhile. */
async function offerPlan(
  { config, book, desk, artefacts, run, runs, audit }: FederationOptions,
  stage: PublicStage,
  chosen: ReturnType<typeof chooseCohort>,
): Promise<UnfinishedRun> {
  const { graph, threshold, nMin } = cohortOf(config);
  const baseWeights = encodeWeights(stage.base);
  const dp = makeDpPlan(config, stage);
  const { evaluation } = config;
  const plan: FederationPlan = {
    format: "fedkim-plan/1",
    federation: config.federation,
    run: toHex(crypto.getRandomValues(new Uint8Array(16))),
    ...(config.mode === "local" ? { mode: "local", local: config.local } : { mode: "distributed" }),
    roster: await rosterOf(chosen, book, desk.holdings),
    tasks: [...stage.tasks],
    model: {
      spec: stage.spec,
      baseWeights: artefacts.put(baseWeights),
      textTable: artefacts.put(stage.textTable),
    },
    dp,
    ...(evaluation === undefined
      ? {}
      : { evaluation: makeEvaluationPlan(evaluation, { spec: stage.spec, training: dp.request }) }),
    secureAggregation: {
      profile: "strict",
      ...(graph.kind === "full" ? {} : { graph }),
      threshold,
      nMin,
      colluders: config.privacy.colluders,
      chunkCoordinates: Math.max(16, Math.floor(config.rounds.chunkBytes / 64) * 16),
    },
  };
  requireHolders(plan);
  const planHash = federationPlanHash(plan);
  const steps = plan.dp.request.steps;
  const sealed = new Uint8Array(sealPlan(plan, book.identity));
  const record = { planHash, configHash: configHash(config), sealedPlan: new TextDecoder().decode(sealed) };
  await run.begin();
  await runs.begin(record, baseWeights);
  await audit.record("aggregator", "plan_offered", { planHash, steps });
  desk.offer({ hash: planHash, sealed, steps: lastRound(plan), sites: chosen });
  return { record: { ...record, state: "aggregation" }, plan, planHash, base: stage.base, step: undefined };
}

/** Pinned keys and sets of the sites of the configuration. @throws FedKimError `AuthenticationError` for one that was revoked */
async function rosterOf(
  sites: readonly string[],
  book: EnrollmentBook,
  stated: ReadonlyMap<string, Holdings>,
): Promise<FederationPlan["roster"]> {
  return await Promise.all(sites.map(async (site) => {
    const member = await book.member(site);
    if (member?.role === "site" && !member.revoked) {
      const holdings = stated.get(site);
      return { site, publicKey: toHex(member.publicKey), ...(holdings === undefined ? {} : { holdings }) };
    }
    throw new FedKimError("AuthenticationError", `${site} cannot take part.`, {
      found: member === undefined
        ? "not enrolled"
        : member.revoked
        ? "revoked"
        : `enrolled as ${member.role}`,
      needed: "an enrolled site",
    });
  }));
}
