import { describeSpec, unflatten } from "../local/mod.ts";
import { saveInjection } from "../m3oe/mod.ts";
import { defaultThreshold } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { toHex } from "../formats/hex.ts";
import type { OnProgress } from "../formats/progress.ts";
import { VERSION } from "../formats/version.ts";
import { aggregate } from "./aggregation.ts";
import { evaluateFolder, type EvaluationResult, injectKnowledge } from "./aggregator_results.ts";
import type { ArtefactStore } from "./artefact_store.ts";
import { minimumSites } from "./cohort.ts";
import type { AggregatorConfig } from "./config.ts";
import type { EnrollmentBook } from "./enrollment_book.ts";
import type { TaskDecision } from "./decisions.ts";
import { type FederationPlan, federationPlanHash, sealPlan } from "./federation_plan.ts";
import { makeDpPlan, preparePublic, type PublicStage } from "./public_stage.ts";
import type { RunFolder } from "./run_folder.ts";
import type { SiteDesk } from "./site_desk.ts";
import { encodeWeights } from "./weights_file.ts";

/** How long the aggregator stays up for sites to fetch their last letter, milliseconds. */
const FAREWELL_MS = 5_000;

/** What a federation needs. */
export interface FederationOptions {
  /** The aggregator's configuration. */
  readonly config: AggregatorConfig;
  /** Enrolled sites and the aggregator's own identity. */
  readonly book: EnrollmentBook;
  /** Where sites are met. */
  readonly desk: SiteDesk;
  /** What sites fetch by hash. */
  readonly artefacts: ArtefactStore;
  /** Where plan, metrics, checkpoints and results go. */
  readonly run: RunFolder;
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
}

/**
 * A federation from public pre-training to evaluation. Whatever ends it early is told to the sites too.
 * @throws FedKimError with the code of whatever ended it
 */
export async function runFederation(options: FederationOptions): Promise<FederationResult> {
  try {
    return await runStages(options);
  } catch (error) {
    await options.desk.farewell(error, FAREWELL_MS);
    throw error;
  }
}

async function runStages(options: FederationOptions): Promise<FederationResult> {
  const { config, desk, book, run, onProgress } = options;
  const started = performance.now();
  desk.stage = "public pre-training";
  const stage = await preparePublic(config, onProgress);
  const plan = await agree(options, stage);
  const planHash = federationPlanHash(plan);
  await run.json("run", {
    plan,
    planHash,
    config,
    layers: describeSpec(stage.spec),
    versions: { fedkim: VERSION, deno: Deno.version.deno, v8: Deno.version.v8 },
    startedAt: new Date().toISOString(),
  });
  desk.stage = "aggregation";
  const flat = await aggregate({ ...options, plan, stage, identity: book.identity });
  const weights = unflatten(stage.spec, stage.base, flat);
  await Deno.writeFile(run.file("weights"), encodeWeights(weights));
  await desk.farewell(undefined, FAREWELL_MS);
  desk.stage = "injection";
  const { seed, injection: { epochs } } = config;
  const injected = await injectKnowledge(stage, weights, { seed, epochs }, onProgress);
  await saveInjection(injected.model, run.file("injection"));
  desk.stage = "evaluation";
  const tasks = config.data.test === undefined
    ? undefined
    : await evaluateFolder(config.data.test, stage, weights, injected, onProgress);
  const result: FederationResult = {
    run: run.path,
    planHash,
    steps: plan.dp.request.steps,
    seconds: (performance.now() - started) / 1000,
    trainable: injected.model.summary,
    decisions: injected.decisions,
    routing: await injected.model.routing(),
    ...(tasks === undefined ? {} : { tasks }),
  };
  await run.json("evaluation", result);
  desk.stage = "finished";
  return result;
}

/** Waits for the sites, signs the plan, and waits until all of them have accepted it. */
async function agree(
  { config, book, desk, artefacts }: FederationOptions,
  stage: PublicStage,
): Promise<FederationPlan> {
  desk.stage = "waiting for sites";
  await desk.allJoined();
  const plan: FederationPlan = {
    format: "fedkim-plan/1",
    federation: config.federation,
    ...(config.mode === "local" ? { mode: "local", local: config.local } : { mode: "distributed" }),
    roster: await rosterOf(config.sites, book),
    tasks: [...stage.tasks],
    model: {
      spec: stage.spec,
      baseWeights: artefacts.put(encodeWeights(stage.base)),
      textTable: artefacts.put(stage.textTable),
    },
    dp: makeDpPlan(config, stage),
    secureAggregation: {
      profile: "strict",
      threshold: defaultThreshold(config.sites.length, "strict"),
      nMin: minimumSites(config),
      colluders: config.privacy.colluders,
      chunkCoordinates: Math.max(16, Math.floor(config.rounds.chunkBytes / 64) * 16),
    },
  };
  desk.offer(federationPlanHash(plan), sealPlan(plan, book.identity));
  await desk.allAccepted();
  return plan;
}

/** Pinned keys of the sites of the configuration. @throws FedKimError `AuthenticationError` for one that was revoked */
async function rosterOf(sites: readonly string[], book: EnrollmentBook): Promise<FederationPlan["roster"]> {
  return await Promise.all(sites.map(async (site) => {
    const member = await book.member(site);
    if (member?.role === "site" && !member.revoked) return { site, publicKey: toHex(member.publicKey) };
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
