import { FedKimError } from "../formats/errors.ts";
import type { Decoder, TextTokenizer } from "../foundation/mod.ts";
import { readFloat32, readScalar, tableMeanSquare, tf, type TokenTable } from "../tensor/mod.ts";
import type { Batch } from "./batches.ts";
import type { InjectionConfig } from "./config.ts";
import { resolveInjectionConfig } from "./config_check.ts";
import type { EncodedSample } from "./encoded_sample.ts";
import { InjectedModel } from "./injected_model.ts";
import { InjectionOptimizer } from "./optimizer.ts";
import { initParameters, type NamedVariable } from "./parameters.ts";
import type { InjectionSample, TaskText } from "./samples.ts";
import { planEpochs, rateFactor, type Schedule } from "./schedule.ts";
import { type TeacherPlane, teacherPlanes } from "./teacher_plane.ts";
import { spreadTeachers } from "./teacher_spread.ts";
import { checkEncoders, type TokenEncoder } from "./token_encoder.ts";
import { tokenStatistics } from "./token_statistics.ts";
import {
  type BestEpoch,
  readCheckpoint,
  runFingerprint,
  type TrainingState,
  writeCheckpoint,
} from "./training_checkpoint.ts";
import { injectionStep } from "./training_step.ts";

/** What {@link trainInjection} needs. */
export interface TrainInjectionOptions {
  /** The frozen base. */
  readonly decoder: Decoder;
  /** Its tokenizer. */
  readonly tokenizer: TextTokenizer;
  /** Texts of the trained tasks; may also name tasks that are only asked later. */
  readonly tasks: readonly TaskText[];
  /** Public samples to train on. */
  readonly samples: readonly InjectionSample[];
  /** Public samples of other patients; their loss is reported after every epoch, and chooses the epoch with
   * `selection: "validation_loss"`. May be empty. */
  readonly validation: readonly InjectionSample[];
  /** Settings that differ from `DEFAULT_INJECTION`. */
  readonly config?: Partial<InjectionConfig>;
  /** Encoders to train with the injection; samples carry their input instead of their tokens. */
  readonly encoders?: readonly TokenEncoder[];
  /** Seed of initialisation, order, noise and dropout on public data. */
  readonly seed: number;
  /** Called after every step. */
  readonly onStep?: (progress: InjectionProgress) => void;
  /** Where to keep the state: a run that finds its own state there goes on from it. */
  readonly checkpoint?: CheckpointOptions;
  /** Ends the run before its next step; the state is kept where `checkpoint` says. */
  readonly signal?: AbortSignal;
}

/** Where and how often the state of a run is kept. */
export interface CheckpointOptions {
  /** The file, replaced as a whole each time. */
  readonly path: string;
  /** Steps between two writes; it is also written after every epoch. Default: 50. */
  readonly everySteps?: number;
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

/** Steps between two checkpoints where the caller does not say. */
const CHECKPOINT_STEPS = 50;

/**
 * Injects encoders' knowledge into a frozen decoder: trains projectors, gate, experts and, if given, encoders on
 * public samples by the cross-entropy of the answers. Exact under its seed on one backend, also when it was
 * interrupted and went on from its checkpoint.
 *
 * @param options base, tasks, samples and settings
 * @returns the trained model; the caller disposes it
 * @throws FedKimError `ConfigError`, `UnknownTask` or `ModelError` for settings or samples that do not fit;
 * `ModelError` when training diverges; `Interrupted` when the signal ends it; `FormatError` for a damaged checkpoint
 */
export async function trainInjection(options: TrainInjectionOptions): Promise<InjectedModel> {
  const { decoder, tokenizer, samples, seed, encoders = [] } = options;
  const config = resolveInjectionConfig(options.config ?? {}, decoder.config);
  if (samples.length === 0) {
    throw new FedKimError("ConfigError", "There is nothing to train on.", {
      found: "public data without a labelled sample of a task",
      needed: "at least one public sample",
      remedy: "name a task that the public data has labels for",
    });
  }
  checkEncoders(encoders);
  const modalities = await tokenStatistics(samples, encoders);
  const embeddingDeviation = await deviationOf(decoder.weights.embedding);
  const shapes = { decoder: decoder.config, modalities, embeddingDeviation, encoders };
  const parameters = initParameters(config, shapes, seed);
  try {
    const model = new InjectedModel({ decoder, tokenizer }, config, parameters, options.tasks);
    await new TrainingRun(model, options).finish();
    return model;
  } catch (error) {
    for (const { variable } of parameters.named) variable.dispose();
    throw error;
  }
}

/** One run: where it stands, and what it is made of. */
class TrainingRun {
  readonly #model: InjectedModel;
  readonly #options: TrainInjectionOptions;
  readonly #validation: readonly EncodedSample[];
  readonly #schedule: Schedule;
  readonly #steps: number;
  readonly #tasks: readonly TaskText[];
  readonly #planes: ReadonlyMap<string, TeacherPlane> | undefined;
  readonly #fingerprint: string | undefined;
  #step = 0;
  #best: BestEpoch = { loss: Infinity, epoch: 0, values: new Map() };

  constructor(model: InjectedModel, options: TrainInjectionOptions) {
    const samples = spreadTeachers(model.encode(options.samples), model.config.teacherSpread);
    this.#model = model;
    this.#options = options;
    this.#validation = model.encode(options.validation);
    this.#schedule = planEpochs(samples, model.config, options.seed);
    this.#steps = this.#schedule.reduce((sum, batches) => sum + batches.length, 0);
    this.#tasks = [...new Set(samples.map(({ task }) => task))];
    this.#planes = model.config.teacherMixingUnit === "token" ? teacherPlanes(samples) : undefined;
    this.#fingerprint = options.checkpoint === undefined
      ? undefined
      : runFingerprint(model, options.seed, [samples, this.#validation]);
  }

  /** Trains to the end, from the checkpoint where there is one. */
  async finish(): Promise<void> {
    const { config, parameters: { named } } = this.#model;
    const optimizer = new InjectionOptimizer(
      named.map(({ name, part, variable }) => ({
        name,
        variable,
        rate: part === "encoders" ? config.encoderRate : 1,
      })),
      config.weightDecay,
    );
    try {
      await this.#resume(optimizer);
      let first = 0;
      for (const [index, batches] of this.#schedule.entries()) {
        const epoch = index + 1;
        const done = Math.min(batches.length, this.#step - first);
        if (done < batches.length) {
          if (this.#stopsBefore(epoch)) break;
          await this.#runEpoch(optimizer, epoch, batches.slice(done));
        }
        first += batches.length;
      }
      setWeights(named, this.#best.values);
    } finally {
      optimizer.dispose();
    }
  }

  async #runEpoch(optimizer: InjectionOptimizer, epoch: number, batches: readonly Batch[]): Promise<void> {
    const { config } = this.#model;
    const every = this.#options.checkpoint?.everySteps ?? CHECKPOINT_STEPS;
    for (const [index, batch] of batches.entries()) {
      if (this.#options.signal?.aborted) await this.#interrupt(optimizer);
      const { seed } = this.#options;
      const rate = config.learningRate * rateFactor(this.#step, this.#steps, config);
      const position = { seed, step: this.#step, rate };
      const loss = await injectionStep(this.#model, this.#tasks, batch, optimizer, position, this.#planes);
      this.#step++;
      const last = index + 1 === batches.length;
      const progress = { step: this.#step, steps: this.#steps, epoch, epochs: config.epochs, loss };
      const validationLoss = last ? await this.#validate(epoch) : undefined;
      if (last || this.#step % every === 0) await this.#keep(optimizer);
      this.#options.onStep?.(validationLoss === undefined ? progress : { ...progress, validationLoss });
    }
  }

  /** Early stop on public validation. */
  #stopsBefore(epoch: number): boolean {
    const { selection, patience } = this.#model.config;
    return selection === "validation_loss" && this.#validation.length > 0 &&
      epoch - 1 - this.#best.epoch >= patience;
  }

  async #validate(epoch: number): Promise<number | undefined> {
    if (this.#validation.length === 0) return undefined;
    const loss = await this.#model.meanLoss(this.#validation);
    if (this.#model.config.selection === "validation_loss" && loss < this.#best.loss) {
      this.#best = { loss, epoch, values: await weightsOf(this.#model.parameters.named) };
    }
    return loss;
  }

  async #keep(optimizer: InjectionOptimizer): Promise<void> {
    const { checkpoint } = this.#options;
    if (checkpoint === undefined || this.#fingerprint === undefined) return;
    const state: TrainingState = {
      step: this.#step,
      weights: await weightsOf(this.#model.parameters.named),
      optimizer: await optimizer.state(),
      best: this.#best,
    };
    await writeCheckpoint(checkpoint.path, this.#fingerprint, state);
  }

  async #resume(optimizer: InjectionOptimizer): Promise<void> {
    const { checkpoint } = this.#options;
    if (checkpoint === undefined || this.#fingerprint === undefined) return;
    const { named } = this.#model.parameters;
    const sizes = new Map(named.map(({ name, variable }) => [name, variable.size]));
    const state = await readCheckpoint(checkpoint.path, this.#fingerprint, sizes);
    if (state === undefined) return;
    setWeights(named, state.weights);
    optimizer.restore(state.optimizer);
    this.#step = state.step;
    this.#best = state.best;
  }

  async #interrupt(optimizer: InjectionOptimizer): Promise<never> {
    await this.#keep(optimizer);
    throw new FedKimError("Interrupted", "The injection was stopped.", {
      found: `${this.#step} of ${this.#steps} steps made`,
      remedy: this.#options.checkpoint === undefined
        ? "give a checkpoint file so that the next run can go on"
        : "run it again: it goes on from its checkpoint",
    });
  }
}

async function weightsOf(named: readonly NamedVariable[]): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const { name, variable } of named) values.set(name, (await readFloat32(variable)).slice());
  return values;
}

function setWeights(named: readonly NamedVariable[], values: ReadonlyMap<string, Float32Array>): void {
  for (const { name, variable } of named) {
    const value = values.get(name);
    if (value !== undefined) tf.tidy(() => variable.assign(tf.tensor(value, variable.shape)));
  }
}

/** Root mean square of a table, the scale that projectors start at. */
async function deviationOf(table: TokenTable): Promise<number> {
  const square = tableMeanSquare(table);
  const deviation = Math.sqrt(await readScalar(square));
  square.dispose();
  return deviation;
}
