import { join } from "node:path";
import { loadFederationPart, type LocalWeights } from "../local/mod.ts";
import {
  loadInjection,
  readEncoderWeights,
  saveInjection,
  type TrainableSummary,
  trainableTable,
} from "../m3oe/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import type { OnProgress } from "../formats/progress.ts";
import {
  evaluateFolder,
  type EvaluationResult,
  type InjectedKnowledge,
  injectKnowledge,
} from "./aggregator_results.ts";
import type { AggregatorConfig } from "./config.ts";
import type { FederationPlan } from "./federation_plan.ts";
import { foundationUse, loadFoundation, openFoundation } from "./foundation_base.ts";
import { type ModelBase, publicParts } from "./public_stage.ts";
import { RUN_FILES, RunFolder } from "./run_folder.ts";
import { tokenEncoders } from "./token_encoders.ts";
import { readWeights } from "./weights_file.ts";

/** A run whose aggregation is over, opened from its folder. */
export interface FinishedRun extends ModelBase {
  /** Its folder. */
  readonly path: string;
  /** The signed plan that it followed. */
  readonly plan: FederationPlan;
  /** The aggregator's configuration. */
  readonly config: AggregatorConfig;
  /** The aggregated encoders and decoders. */
  readonly weights: LocalWeights;
}

/**
 * Opens a run's folder.
 * @param path the folder
 * @param purpose what its foundation model is loaded for, which decides the memory that is planned
 * @param onProgress receives the memory plan
 * @throws FedKimError `ConfigError` where it is not a run that got through aggregation
 */
export async function openRun(
  path: string,
  purpose: "inject" | "answer" = "answer",
  onProgress: OnProgress = () => {},
): Promise<FinishedRun> {
  const { plan, config } = await readRunJson<{ plan: FederationPlan; config: AggregatorConfig }>(path, "run");
  const opened = await openFoundation(config.foundationModel);
  const use = foundationUse(purpose, plan.model.spec, opened.tokenizer);
  return {
    path,
    plan,
    config,
    ...await loadFoundation(opened, use, onProgress),
    spec: plan.model.spec,
    tasks: plan.tasks,
    weights: await readWeights(join(path, RUN_FILES.weights)),
  };
}

/** Metrics of a finished run on any dataset folder, with its saved injection and thresholds. */
export async function evaluateRun(
  run: FinishedRun,
  folder: string,
  onProgress: OnProgress,
  task?: string,
): Promise<EvaluationResult> {
  return await evaluateFolder(folder, run, run.weights, await savedInjection(run), onProgress, task);
}

/** A finished run's injected model, with its decisions. */
export async function savedInjection(run: FinishedRun): Promise<InjectedKnowledge> {
  const { decisions } = await readRunJson<Pick<InjectedKnowledge, "decisions">>(run.path, "evaluation");
  const folder = join(run.path, RUN_FILES.injection);
  const trained = await readEncoderWeights(folder);
  const encoders = trained.size === 0 ? [] : tokenEncoders(run.spec, run.weights);
  return { model: await loadInjection(folder, run, { encoders }), decisions };
}

/** Injects a finished run's encoders anew, on a public folder, and replaces the run's saved injection. */
export async function injectRun(
  run: FinishedRun,
  folder: string,
  onProgress: OnProgress,
): Promise<{ readonly trainable: TrainableSummary; readonly table: string }> {
  const parts = publicParts(run, run.weights, await loadFederationPart(folder));
  const options = { seed: run.config.seed, ...run.config.injection };
  const { model, decisions } = await injectKnowledge({ ...run, ...parts }, run.weights, options, onProgress);
  await saveInjection(model, join(run.path, RUN_FILES.injection));
  const old = await readRunJson<Record<string, unknown>>(run.path, "evaluation").catch(() => ({}));
  await (await RunFolder.create(run.path)).json("evaluation", {
    ...old,
    decisions,
    trainable: model.summary,
    tasks: undefined,
  });
  return { trainable: model.summary, table: trainableTable(model) };
}

/** Reads a JSON file of a run's folder. @throws FedKimError `ConfigError` */
export async function readRunJson<T>(path: string, name: "run" | "evaluation"): Promise<T> {
  try {
    return JSON.parse(await Deno.readTextFile(join(path, RUN_FILES[name])));
  } catch (cause) {
    throw new FedKimError("ConfigError", "The folder is not a finished run.", {
      found: `no readable ${join(path, RUN_FILES[name])}`,
      needed: "the folder that `fedkim demo` or `fedkim aggregator` wrote",
      cause,
    });
  }
}
