import { FedKimError } from "../formats/errors.ts";
import {
  type Decoder,
  LINEAR_NAMES,
  type LinearName,
  linearShapes,
  type TextTokenizer,
} from "../foundation/mod.ts";
import { AdamW, clipFactor, disposeAll, readFloat32, readScalar, tf, warmupCosine } from "../tensor/mod.ts";
import { SeededRandom } from "../tensor/seeded_random.ts";
import { type Batch, trainingBatches } from "./batches.ts";
import { type InjectionConfig, resolveInjectionConfig } from "./config.ts";
import type { EncodedSample } from "./encoded_sample.ts";
import { InjectedModel } from "./injected_model.ts";
import { initParameters, type NamedVariable } from "./parameters.ts";
import { tokenStatistics } from "./token_statistics.ts";
import type { TokenNoise } from "./prompt.ts";
import type { InjectionSample, TaskText } from "./samples.ts";

/** What {@link trainInjection} needs. */
export interface TrainInjectionOptions {
  /** The frozen base. */
  readonly decoder: Decoder;
  /** Its tokenizer. */
  readonly tokenizer: TextTokenizer;
  /** Texts of the trained tasks. */
  readonly tasks: readonly TaskText[];
  /** Public samples to train on. */
  readonly samples: readonly InjectionSample[];
  /** Public samples of other patients; their loss is reported after every epoch, and chooses the epoch with
   * `selection: "validation_loss"`. May be empty. */
  readonly validation: readonly InjectionSample[];
  /** Settings that differ from `DEFAULT_INJECTION`. */
  readonly config?: Partial<InjectionConfig>;
  /** Seed of initialisation and order. */
  readonly seed: number;
  /** Called after every step. */
  readonly onStep?: (progress: InjectionProgress) => void;
}

/** One report of a training run. */
export interface InjectionProgress {
  /** Steps made. */
  readonly step: number;
  /** Steps in all, unless stopped early. */
  readonly steps: number;
  /** Epoch of this step, from 1. */
  readonly epoch: number;
  /** Epochs in all. */
  readonly epochs: number;
  /** Loss of this step, nats per answer token. */
  readonly loss: number;
  /** At the end of an epoch: mean loss on the validation samples. */
  readonly validationLoss?: number;
}

/**
 * Injects encoders' knowledge into a frozen decoder: trains projectors, gate and experts on public samples by the
 * cross-entropy of the answers. Exact under its seed on one backend.
 *
 * @param options base, tasks, samples and settings
 * @returns the trained model; the caller disposes it
 * @throws FedKimError `ConfigError`, `UnknownTask` or `ModelError` for settings or samples that do not fit;
 * `ModelError` when training diverges
 */
export async function trainInjection(options: TrainInjectionOptions): Promise<InjectedModel> {
  const { decoder, tokenizer, samples, seed } = options;
  const config = resolveInjectionConfig(options.config ?? {}, smallestWidths(decoder));
  if (samples.length === 0) {
    throw new FedKimError("ConfigError", "There is nothing to train on.", {
      needed: "at least one public sample",
    });
  }
  const statistics = tokenStatistics(samples);
  const deviation = await embeddingDeviation(decoder);
  const parameters = initParameters(config, decoder.config, statistics, deviation, seed);
  const model = new InjectedModel({ decoder, tokenizer }, config, parameters, options.tasks);
  try {
    const encoded = model.encode(samples);
    await trainEpochs(model, encoded, model.encode(options.validation), seed, options.onStep ?? (() => {}));
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

async function trainEpochs(
  model: InjectedModel,
  samples: readonly EncodedSample[],
  validation: readonly EncodedSample[],
  seed: number,
  onStep: (progress: InjectionProgress) => void,
): Promise<void> {
  const { config } = model;
  const { named } = model.parameters;
  const random = new SeededRandom(seed + 1);
  const noise = { deviation: config.tokenNoise, random: new SeededRandom(seed + 2) };
  const optimizer = new AdamW(named.map(({ variable }) => variable), { weightDecay: config.weightDecay });
  const perEpoch = trainingBatches(samples, config.batchSize, new SeededRandom(0)).length;
  const steps = perEpoch * config.epochs;
  const select = config.selection === "validation_loss" && validation.length > 0;
  let step = 0;
  let best = { loss: Infinity, epoch: 0, values: [] as Float32Array[] };
  try {
    for (let epoch = 1; epoch <= config.epochs; epoch++) {
      const batches = trainingBatches(samples, config.batchSize, random);
      for (const [index, batch] of batches.entries()) {
        const rate = config.learningRate * warmupCosine(step, steps, config.warmup, 0);
        const loss = await trainStep(model, batch, optimizer, rate, noise);
        step++;
        const report = { step, steps, epoch, epochs: config.epochs, loss };
        if (index + 1 < batches.length || validation.length === 0) {
          onStep(report);
          continue;
        }
        const validationLoss = await model.meanLoss(validation);
        onStep({ ...report, validationLoss });
        if (select && validationLoss < best.loss) {
          best = { loss: validationLoss, epoch, values: await snapshot(named) };
        }
      }
      if (select && epoch - best.epoch >= config.patience) break;
    }
    best.values.forEach((values, index) => restore(named[index], values));
  } finally {
    optimizer.dispose();
  }
}

async function trainStep(
  model: InjectedModel,
  batch: Batch,
  optimizer: AdamW,
  rate: number,
  noise: TokenNoise,
): Promise<number> {
  const variables = model.parameters.named.map(({ variable }) => variable);
  const { value, grads } = tf.variableGrads(() => model.batchLoss(batch, noise), variables);
  // A modality or expert that this batch does not touch has no entry: its gradient is zero.
  const gradients = variables.map((variable) => grads[variable.name] ?? tf.zerosLike(variable));
  const factor = clipFactor(gradients, model.config.maxGradNorm);
  optimizer.step(gradients, rate, factor);
  const loss = await readScalar(value);
  disposeAll([value, factor, ...gradients]);
  if (Number.isFinite(loss)) return loss;
  throw new FedKimError("ModelError", "The injection diverged: its loss is no longer finite.", {
    remedy: "lower learningRate or loraAlpha",
  });
}

async function snapshot(named: readonly NamedVariable[]): Promise<Float32Array[]> {
  return await Promise.all(named.map(async ({ variable }) => (await readFloat32(variable)).slice()));
}

function restore({ variable }: NamedVariable, values: Float32Array): void {
  tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)));
}

function smallestWidths(decoder: Decoder): Record<LinearName, number> {
  const shapes = linearShapes(decoder.config);
  return Object.fromEntries(LINEAR_NAMES.map((name) => [name, Math.min(...shapes[name])])) as Record<
    LinearName,
    number
  >;
}

async function embeddingDeviation(decoder: Decoder): Promise<number> {
  const square = tf.tidy(() => decoder.weights.embedding.square().mean(0).mean());
  const deviation = Math.sqrt(await readScalar(square));
  square.dispose();
  return deviation;
}
