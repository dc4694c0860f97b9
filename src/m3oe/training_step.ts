import { FedKimError } from "../formats/errors.ts";
import { disposeAll, readScalar, tf } from "../tensor/mod.ts";
import type { Batch } from "./batches.ts";
import { loadImbalance, relativeEntropy } from "./gate_regularisation.ts";
import type { InjectedModel } from "./injected_model.ts";
import type { InjectionOptimizer } from "./optimizer.ts";
import type { TaskText } from "./samples.ts";
import { stepRandom } from "./schedule.ts";
import { mixTaught } from "./teacher_mixing.ts";
import type { TeacherPlane } from "./teacher_plane.ts";

/** Where in the run a step stands. */
export interface StepPosition {
  /** The run's seed. */
  readonly seed: number;
  /** Steps made before. */
  readonly step: number;
  /** Learning rate of this step. */
  readonly rate: number;
}

/** Gradients by name of the trained tensor, and the loss they belong to. */
export interface StepGradients {
  /** Answer loss in nats per answer token, regularisers not counted. */
  readonly loss: number;
  /** Gradients; the caller frees them. A tensor that the batch does not touch has none. */
  readonly gradients: ReadonlyMap<string, tf.Tensor>;
}

/**
 * Makes one step: gradients, clipping, update.
 *
 * @param model what is trained
 * @param tasks the tasks of the run, for the gate's regularisers
 * @param batch samples of one task and layout
 * @param optimizer over the model's trained tensors
 * @param position seed, step and learning rate
 * @param planes the teachers' planes by task, to mix token by token
 * @returns the answer loss before the update
 * @throws FedKimError `ModelError` when the loss is no longer finite; the update has then not been made
 */
export async function injectionStep(
  model: InjectedModel,
  tasks: readonly TaskText[],
  batch: Batch,
  optimizer: InjectionOptimizer,
  position: StepPosition,
  planes?: ReadonlyMap<string, TeacherPlane>,
): Promise<number> {
  const { loss, gradients } = await stepGradients(model, tasks, batch, position, planes);
  try {
    if (!Number.isFinite(loss)) {
      throw new FedKimError("ModelError", "The injection diverged: its loss is no longer finite.", {
        remedy: "lower learningRate or loraAlpha",
      });
    }
    optimizer.step(gradients, position.rate, model.config.maxGradNorm);
    return loss;
  } finally {
    disposeAll(gradients.values());
  }
}

/**
 * Gradients of a step's mean loss over answer tokens. With `accumulation`, the batch is computed in parts, whose
 * gradients are weighted by their answer tokens: the sum is that of the whole batch.
 *
 * @param model what is trained
 * @param tasks the tasks of the run, for the gate's regularisers
 * @param batch samples of one task and layout
 * @param position seed and step
 * @param planes the teachers' planes by task, to mix token by token
 * @returns loss and gradients
 */
export async function stepGradients(
  model: InjectedModel,
  tasks: readonly TaskText[],
  batch: Batch,
  { seed, step }: Pick<StepPosition, "seed" | "step">,
  planes?: ReadonlyMap<string, TeacherPlane>,
): Promise<StepGradients> {
  const { named } = model.parameters;
  const variables = named.map(({ variable }) => variable);
  const names = new Map(named.map(({ name, variable }) => [variable.name, name]));
  const { accumulation, teacherMixing } = model.config;
  // A head is linear in an encoder's tokens, not in its input.
  const reach = model.parameters.encoders.size === 0 ? teacherMixing : 0;
  const plane = planes?.get(batch[0].task.name);
  const mixed = mixTaught(batch, reach, stepRandom(seed, "teacher_mixing", step), plane);
  const parts = partsOf(mixed, accumulation);
  const total = answerTokensOf(batch);
  const tokenNoise = stepRandom(seed, "token_noise", step);
  const loraDropout = stepRandom(seed, "lora_dropout", step);
  const sums = new Map<string, tf.Tensor>();
  let loss = 0;
  for (const [index, part] of parts.entries()) {
    const share = answerTokensOf(part) / total;
    // Drawn anew for each part, so that all parts leave the same experts out.
    const randomness = { tokenNoise, loraDropout, expertDropout: stepRandom(seed, "expert_dropout", step) };
    const answerLosses: tf.Scalar[] = [];
    const { value, grads } = tf.variableGrads(() => {
      const answers = model.batchLoss(part, randomness);
      answerLosses.push(tf.keep(answers.clone()));
      const shared = share === 1 ? answers : answers.mul<tf.Scalar>(share);
      return index === 0 ? shared.add<tf.Scalar>(gateLoss(model, tasks)) : shared;
    }, variables);
    loss += share * await readScalar(answerLosses[0]);
    disposeAll([value, ...answerLosses]);
    for (const [variableName, gradient] of Object.entries(grads)) {
      const name = names.get(variableName) as string;
      const before = sums.get(name);
      sums.set(name, before === undefined ? gradient : before.add(gradient));
      if (before !== undefined) disposeAll([before, gradient]);
    }
  }
  return { loss, gradients: sums };
}

/** The gate's regularisers: 0 unless they are asked for. */
function gateLoss(model: InjectedModel, tasks: readonly TaskText[]): tf.Scalar {
  const { loadBalance, gateEntropy } = model.config;
  if (model.parameters.gate === undefined || (loadBalance === 0 && gateEntropy === 0)) return tf.scalar(0);
  const alphas = tf.concat2d(tasks.map((task) => model.gateOf(task)), 0);
  return loadImbalance(alphas).mul(loadBalance).add(relativeEntropy(alphas).mul(gateEntropy));
}

function partsOf(batch: Batch, count: number): Batch[] {
  const size = Math.ceil(batch.length / count);
  return Array.from(
    { length: Math.ceil(batch.length / size) },
    (_, index) => batch.slice(index * size, (index + 1) * size),
  );
}

function answerTokensOf(batch: Batch): number {
  return batch.reduce((sum, { answer }) => sum + answer.length, 0);
}
