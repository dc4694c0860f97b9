import { auroc, loadFederationPart, type LocalWeights, prepareFeatures, taskScores } from "../local/mod.ts";
import { type InjectedModel, type InjectionConfig, trainInjection } from "../m3oe/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import type { OnProgress } from "../formats/progress.ts";
import { evaluateModel, type TaskResult } from "./evaluation.ts";
import {
  allSamples,
  answerableTasks,
  type SampleChoice,
  taskText,
  tokenFormOf,
} from "./injection_samples.ts";
import { tokenEncoders } from "./token_encoders.ts";
import type { ModelBase, PublicPart, PublicParts, PublicStage } from "./public_stage.ts";
import { INJECTION_RECIPE } from "./injection_recipe.ts";
import { publicDecisions, type TaskDecision } from "./decisions.ts";

/** AUROC of the local task heads on the public validation split: the learning curve that is safe to publish. */
export async function publicValidation(
  stage: PublicStage,
  weights: LocalWeights,
): Promise<Record<string, number>> {
  const curve: Record<string, number> = {};
  const { data, features } = stage.validation;
  for (const set of data.sets) {
    const own = features.sets.get(set.name);
    if (own === undefined) continue;
    for (
      const { name } of set.manifest.tasks.filter((task) =>
        stage.tasks.includes(task.name) && task.type === "binary"
      )
    ) {
      const value = auroc(await taskScores(stage.spec, weights, own, name));
      if (value !== undefined) curve[name] = value;
    }
  }
  return curve;
}

/** An injected model and how its scores are read. */
export interface InjectedKnowledge {
  /** The trained model; the caller disposes it. */
  readonly model: InjectedModel;
  /** Threshold and calibration by task, from public data only. */
  readonly decisions: Readonly<Record<string, TaskDecision>>;
}

/** Choices of an injection. */
export interface InjectionOptions {
  /** Seed of initialisation and order. */
  readonly seed: number;
  /** Passes over the public samples, where they differ from `config`'s. */
  readonly epochs?: number | undefined;
  /** Where training keeps its state, so that a restart goes on. */
  readonly checkpoint?: string;
  /** Settings that differ from the library's defaults; without them the recipe of a federation. */
  readonly config?: Partial<InjectionConfig>;
  /** Trains the encoders' federated layers too; the model then reads samples of the form `stems`. */
  readonly trainEncoders?: boolean | undefined;
}

/** Trains projectors and M3OE on public data around the frozen foundation model (paper, steps 1 to 3). */
export async function injectKnowledge(
  stage: ModelBase & PublicParts,
  weights: LocalWeights,
  options: InjectionOptions,
  onProgress: OnProgress,
): Promise<InjectedKnowledge> {
  const { train, validation } = stage;
  const together = options.trainEncoders === true;
  const answerable = answerableTasks(train.data, stage.spec);
  const tasks = answerable.filter((task) => stage.tasks.includes(task.name));
  const unseen = answerable.filter((task) => !stage.tasks.includes(task.name));
  const samplesOfPart = (part: PublicPart, list: typeof answerable, only?: SampleChoice) =>
    allSamples(stage.spec, weights, part.data, part.features, list, only, together ? "stems" : "tokens");
  const held = await samplesOfPart(validation, tasks, "labelled");
  const flat = (lists: typeof held) => [...lists.values()].flatMap(({ samples }) => samples);
  const config = {
    ...(options.config ?? INJECTION_RECIPE),
    ...(options.epochs === undefined ? {} : { epochs: options.epochs }),
  };
  const model = await trainInjection({
    decoder: stage.decoder,
    tokenizer: stage.tokenizer,
    tasks: tasks.map(taskText),
    samples: flat(await samplesOfPart(train, tasks, "taught")),
    // Where no epoch is chosen by its loss, nobody looks at it.
    validation: config.selection === "validation_loss" ? flat(held) : [],
    seed: options.seed,
    ...(options.checkpoint === undefined ? {} : { checkpoint: { path: options.checkpoint } }),
    ...(together ? { encoders: tokenEncoders(stage.spec, weights) } : {}),
    config,
    onStep: (p) =>
      onProgress({ stage: "inject", done: p.step, total: p.steps, detail: `loss ${p.loss.toFixed(3)}` }),
  });
  model.addTasks(unseen.map(taskText));
  const unlabelled = await samplesOfPart(validation, unseen.filter((task) => task.type === "binary"));
  return { model, decisions: await publicDecisions(model, held, unlabelled) };
}

/** Metrics by task, with the task's role. */
export type EvaluationResult = Record<string, TaskResult & { readonly role: "train" | "unseen" }>;

/** Evaluates every task of a dataset folder, trained and unseen, with frozen encoders, model and decisions. */
export async function evaluateFolder(
  folder: string,
  stage: ModelBase,
  weights: LocalWeights,
  injected: InjectedKnowledge,
  onProgress: OnProgress,
  only?: string,
): Promise<EvaluationResult> {
  const data = await loadFederationPart(folder);
  const features = prepareFeatures(stage.spec, weights, data, stage.text);
  const tasks = answerableTasks(data, stage.spec).filter((task) => only === undefined || task.name === only);
  if (tasks.length === 0) {
    throw new FedKimError("UnknownTask", `No task of ${folder} can be answered by this model.`, {
      ...(only === undefined ? {} : { found: only }),
      needed: answerableTasks(data, stage.spec).map((task) => task.name).join(", "),
    });
  }
  injected.model.addTasks(tasks.map(taskText));
  const form = tokenFormOf(injected.model);
  const samples = await allSamples(stage.spec, weights, data, features, tasks, "labelled", form);
  const results = await evaluateModel(injected.model, samples, injected.decisions, onProgress);
  const roles = new Map(tasks.map((task) => [task.name, task.role]));
  return Object.fromEntries(
    Object.entries(results).map(([task, result]) => [task, { ...result, role: roles.get(task)! }]),
  );
}
