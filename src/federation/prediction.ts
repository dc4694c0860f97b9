import { loadFederationPart, prepareFeatures } from "../local/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import type { OnProgress } from "../formats/progress.ts";
import { type FinishedRun, savedInjection } from "./finished_run.ts";
import { allSamples, answerableTasks, taskText, tokenFormOf } from "./injection_samples.ts";
import { calibrated } from "./platt_scaling.ts";

/** Records per scoring call; progress is told between two calls. */
const CHUNK = 256;

/** What the injected model says about one record. */
export interface Prediction {
  /** Identifier of the record in its dataset. */
  readonly id: string;
  /** Yes-minus-no logit; null for an open question. */
  readonly score: number | null;
  /** Calibrated probability of yes; null for an open question, or where no public label could calibrate the task. */
  readonly probability: number | null;
  /** `yes` or `no` at the public threshold, or the generated text of an open answer. */
  readonly answer: string;
}

/**
 * Answers a task for every record of a dataset folder that has one of the task's modalities. Labels are not read and
 * nothing leaves this machine.
 * @param run a finished run
 * @param folder part of a federation: a folder of dataset folders
 * @param task name of a trained or unseen task of the folder
 * @throws FedKimError `UnknownTask` for a task that the folder or the model does not know
 */
export async function predictRun(
  run: FinishedRun,
  folder: string,
  task: string,
  onProgress: OnProgress,
): Promise<Prediction[]> {
  const data = await loadFederationPart(folder);
  const answerable = answerableTasks(data, run.spec);
  const wanted = answerable.find(({ name }) => name === task);
  if (wanted === undefined) {
    throw new FedKimError("UnknownTask", `The task ${task} cannot be answered on ${folder}.`, {
      found: task,
      needed: answerable.map(({ name }) => name).join(", ") ||
        "a dataset whose modalities the model was trained on",
    });
  }
  const { model, decisions } = await savedInjection(run);
  model.addTasks([taskText(wanted)]);
  const features = prepareFeatures(run.spec, run.weights, data, run.text);
  const form = tokenFormOf(model);
  const encoded = await allSamples(run.spec, run.weights, data, features, [wanted], undefined, form);
  const { samples, ids } = encoded.get(task)!;
  const { threshold, calibration } = decisions[task] ?? { threshold: 0 };
  const predictions: Prediction[] = [];
  for (let from = 0; from < samples.length; from += CHUNK) {
    onProgress({ stage: "predict", done: from, total: samples.length });
    const chunk = samples.slice(from, from + CHUNK);
    if (wanted.type === "open") {
      const answers = await model.answer(chunk);
      answers.forEach((answer, i) =>
        predictions.push({ id: ids[from + i], score: null, probability: null, answer })
      );
    } else {
      const scores = await model.score(chunk);
      scores.forEach((score, i) =>
        predictions.push({
          id: ids[from + i],
          score,
          probability: calibration === undefined ? null : calibrated(score, calibration),
          answer: score > threshold ? "yes" : "no",
        })
      );
    }
  }
  onProgress({ stage: "predict", done: samples.length, total: samples.length });
  return predictions;
}
