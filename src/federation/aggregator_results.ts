import {
  auroc,
  federatedParameters,
  flatten,
  loadFederationPart,
  type LocalWeights,
  prepareFeatures,
  taskScores,
} from "../local/mod.ts";
import { type InjectedModel, trainInjection } from "../m3oe/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import type { OnProgress } from "../formats/progress.ts";
import { evaluateModel, type TaskResult } from "./evaluation.ts";
import { allSamples, answerableTasks, taskText } from "./injection_samples.ts";
import type { ModelBase, PublicStage } from "./public_stage.ts";
import { isValidationPatient } from "./public_split.ts";
import { publicThresholds } from "./thresholds.ts";

/** Mean AUROC of the local task heads over the public validation split: the learning curve that is safe to publish. */
export async function publicValidation(
  stage: PublicStage,
  weights: LocalWeights,
): Promise<Record<string, number>> {
  const curve: Record<string, number> = {};
  for (const set of stage.data.sets) {
    const features = stage.features.sets.get(set.name);
    if (features === undefined) continue;
    for (
      const task of stage.tasks.filter((name) =>
        set.manifest.tasks.some((candidate) => candidate.name === name)
      )
    ) {
      const { scores, labels, records } = await taskScores(stage.spec, weights, features, task);
      const held = [...records.keys()].filter((i) =>
        isValidationPatient(set.name, set.records[records[i]].patient)
      );
      const value = auroc({ scores: held.map((i) => scores[i]), labels: held.map((i) => labels[i]) });
      if (value !== undefined) curve[task] = value;
    }
  }
  return curve;
}

/** Trains projectors and M3OE on public data around the frozen foundation model (paper, steps 1 to 3). */
export async function injectKnowledge(
  stage: Omit<PublicStage, "base" | "textTable">,
  weights: LocalWeights,
  options: { readonly seed: number; readonly epochs?: number | undefined },
  onProgress: OnProgress,
): Promise<{ readonly model: InjectedModel; readonly thresholds: Record<string, number> }> {
  const setOf = new Map(
    stage.data.sets.flatMap((set) => set.manifest.tasks.map((task) => [task.name, set.name])),
  );
  const answerable = answerableTasks(stage.data, stage.spec);
  const tasks = answerable.filter((task) => stage.tasks.includes(task.name));
  const unseen = answerable.filter((task) => !stage.tasks.includes(task.name));
  const samplesFor = (list: typeof answerable) =>
    allSamples(stage.spec, weights, stage.data, stage.features, list);
  const samples = await samplesFor(tasks);
  const held = new Map([...samples].map(([task, list]) => [
    task,
    list.filter(({ patient }) => isValidationPatient(setOf.get(task)!, patient)),
  ]));
  const isHeld = new Set([...held.values()].flat());
  const model = await trainInjection({
    decoder: stage.decoder,
    tokenizer: stage.tokenizer,
    tasks: tasks.map(taskText),
    samples: [...samples.values()].flat().filter((item) => !isHeld.has(item)).map((item) => item.sample),
    validation: [...isHeld].map((item) => item.sample),
    seed: options.seed,
    ...(options.epochs === undefined ? {} : { config: { epochs: options.epochs } }),
    onStep: (p) =>
      onProgress({ stage: "inject", done: p.step, total: p.steps, detail: `loss ${p.loss.toFixed(3)}` }),
  });
  model.addTasks(unseen.map(taskText));
  return {
    model,
    thresholds: await publicThresholds(model, held, await samplesFor(unseen)),
  };
}

/** Metrics by task, with the task's role. */
export type EvaluationResult = Record<string, TaskResult & { readonly role: "train" | "unseen" }>;

/** Evaluates every task of a dataset folder, trained and unseen, with frozen encoders, model and thresholds. */
export async function evaluateFolder(
  folder: string,
  stage: ModelBase,
  weights: LocalWeights,
  injected: { readonly model: InjectedModel; readonly thresholds: Readonly<Record<string, number>> },
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
  const samples = await allSamples(stage.spec, weights, data, features, tasks);
  const results = await evaluateModel(injected.model, samples, injected.thresholds, onProgress);
  const roles = new Map(tasks.map((task) => [task.name, task.role]));
  return Object.fromEntries(
    Object.entries(results).map(([task, result]) => [task, { ...result, role: roles.get(task)! }]),
  );
}

/** The flat federated parameters of weights, and how many there are. */
export function flatStart(stage: PublicStage): { readonly flat: Float64Array; readonly dimension: number } {
  return { flat: flatten(stage.spec, stage.base), dimension: federatedParameters(stage.spec).dimension };
}
