import { FedKimError } from "../formats/errors.ts";
import {
  type Decoder,
  decoderForward,
  type DecoderWeights,
  embedTokens,
  generateGreedy,
  type LinearAdapter,
  logitsOf,
  type TextTokenizer,
  tokenCrossEntropy,
} from "../foundation/mod.ts";
import { readFloat32, readScalar, tf } from "../tensor/mod.ts";
import { type Batch, equalLengthBatches } from "./batches.ts";
import { expertShape, type InjectionConfig } from "./config.ts";
import { answerTokens, type EncodedSample, encodeSamples } from "./encoded_sample.ts";
import { expertAdapter, expertScale } from "./experts.ts";
import { gateWeights } from "./gate.ts";
import { mergeExperts } from "./merge.ts";
import { disposeParameters, type InjectionParameters } from "./parameters.ts";
import { type PromptIds, promptIds, promptInput, type TokenNoise } from "./prompt.ts";
import { type RoutingReport, routingReport } from "./routing.ts";
import type { InjectionSample, TaskText } from "./samples.ts";

/** Samples per batch at inference. */
const INFERENCE_BATCH = 64;

/** What is trained and what is frozen, in numbers of weights. */
export interface TrainableSummary {
  /** Weights of the frozen base. */
  readonly frozen: number;
  /** Trained weights by part. */
  readonly trained: { readonly projectors: number; readonly gate: number; readonly experts: number };
  /** Trained weights over all weights. */
  readonly share: number;
}

/** The base that an injection builds on. */
export interface InjectionBase {
  /** The frozen decoder; it stays the caller's. */
  readonly decoder: Decoder;
  /** Its tokenizer. */
  readonly tokenizer: TextTokenizer;
}

/** A frozen decoder with projectors, gate and experts: predicts from encoded modalities and a question. */
export class InjectedModel {
  /** The frozen base and its tokenizer. */
  readonly base: InjectionBase;
  /** The settings. */
  readonly config: InjectionConfig;
  /** The trained tensors. */
  readonly parameters: InjectionParameters;
  readonly #tasks = new Map<string, TaskText>();
  readonly #promptIds: PromptIds;

  /**
   * Puts the parts together; {@link trainInjection} and {@link loadInjection} call it.
   *
   * @param base decoder and tokenizer
   * @param config settings
   * @param parameters trained tensors; owned from now on
   * @param tasks task texts
   */
  constructor(
    base: InjectionBase,
    config: InjectionConfig,
    parameters: InjectionParameters,
    tasks: readonly TaskText[],
  ) {
    this.base = base;
    this.config = config;
    this.parameters = parameters;
    this.#promptIds = promptIds(config.prompt, base.tokenizer, base.decoder);
    this.addTasks(tasks);
  }

  /** The known tasks. */
  get tasks(): readonly TaskText[] {
    return [...this.#tasks.values()];
  }

  /**
   * Makes further tasks known by their texts alone: the model answers tasks it was never trained on.
   *
   * @param tasks task texts; a known name is replaced
   * @throws FedKimError `UnknownTask` for a task without description or modality description
   */
  addTasks(tasks: readonly TaskText[]): void {
    for (const task of tasks) {
      if (task.description.trim() === "" || task.modalityDescription.trim() === "") {
        throw new FedKimError("UnknownTask", `The task ${task.name} has no description.`, {
          needed: "a description and a modality description: the gate reads both",
        });
      }
      this.#tasks.set(task.name, task);
    }
  }

  /** Trained and frozen weights, counted. */
  get summary(): TrainableSummary {
    const count = (prefix: string): number =>
      this.parameters.named.filter(({ name }) => name.startsWith(prefix))
        .reduce((sum, { variable }) => sum + variable.size, 0);
    const trained = { projectors: count("projector."), gate: count("gate."), experts: count("layers.") };
    const total = trained.projectors + trained.gate + trained.experts;
    const frozen = this.base.decoder.parameterCount;
    return { frozen, trained, share: total / (total + frozen) };
  }

  /**
   * Scores binary samples by constrained likelihood: the logit of yes minus the logit of no after the prompt.
   *
   * @param samples samples of binary tasks; labels are not read
   * @returns one score per sample, in order; above 0 means yes
   * @throws FedKimError `UnknownTask` or `ModelError` for samples that do not fit
   */
  async score(samples: readonly InjectionSample[]): Promise<Float64Array> {
    const { decoder, tokenizer } = this.base;
    const { yes, no } = answerTokens(tokenizer);
    const scores = new Float64Array(samples.length);
    const encoded = this.encode(samples.map((sample) => ({ ...sample, label: neutralLabel(sample.label) })));
    const pair = tf.tidy(() => tf.gather(decoder.weights.head, tf.tensor1d([yes, no], "int32")));
    try {
      for (const [task, group] of Map.groupBy(encoded, (sample) => sample.task)) {
        const merged = this.#merged(task);
        try {
          for (const batch of equalLengthBatches(group, INFERENCE_BATCH)) {
            const logits = tf.tidy(() => {
              const { embeddings } = this.#input(batch, false);
              const { hidden } = decoderForward(merged.weights, decoder.config, embeddings, {
                lastOnly: true,
              });
              return tf.matMul(hidden, pair as tf.Tensor2D, false, true);
            });
            const values = await readFloat32(logits);
            logits.dispose();
            batch.forEach(({ index }, row) => scores[index] = values[2 * row] - values[2 * row + 1]);
          }
        } finally {
          merged.dispose();
        }
      }
    } finally {
      pair.dispose();
    }
    return scores;
  }

  /**
   * Answers samples with text, greedily.
   *
   * @param samples samples of any task; labels are not read
   * @param maxTokens most tokens of an answer
   * @returns one answer per sample, in order
   * @throws FedKimError `UnknownTask` or `ModelError` for samples that do not fit
   */
  async answer(samples: readonly InjectionSample[], maxTokens: number = 16): Promise<string[]> {
    const { decoder, tokenizer } = this.base;
    const answers = new Array<string>(samples.length).fill("");
    const open = samples.map((sample) => ({ ...sample, label: neutralLabel(sample.label) }));
    for (const [task, group] of Map.groupBy(this.encode(open), (sample) => sample.task)) {
      const merged = this.#merged(task);
      try {
        for (const batch of equalLengthBatches(group, INFERENCE_BATCH)) {
          const prompt = tf.tidy(() => this.#input(batch, false).embeddings);
          const adapted = { ...decoder, weights: merged.weights };
          const tokens = await generateGreedy(adapted, prompt, { maxTokens });
          prompt.dispose();
          batch.forEach(({ index }, row) => answers[index] = tokenizer.decode(tokens[row]).trim());
        }
      } finally {
        merged.dispose();
      }
    }
    return answers;
  }

  /**
   * Encodes samples for this model.
   *
   * @param samples samples with labels
   * @returns encoded samples in order
   * @throws FedKimError `UnknownTask` or `ModelError` for samples that do not fit
   */
  encode(samples: readonly InjectionSample[]): EncodedSample[] {
    const widths = new Map(
      [...this.parameters.projectors].map(([name, { statistics }]) => [name, statistics.mean.length]),
    );
    return encodeSamples(samples, this.#tasks, widths, this.base.tokenizer, this.config.prompt);
  }

  /**
   * Cross-entropy of the answers of a batch, averaged over answer tokens: what training minimises.
   *
   * @param batch samples of one task and layout
   * @param noise noise on the tokens, for training
   * @returns a scalar, differentiable in the parameters; call inside `tf.tidy` or `tf.variableGrads`
   */
  batchLoss(batch: Batch, noise?: TokenNoise): tf.Scalar {
    const { decoder } = this.base;
    const single = batch.every(({ answer }) => answer.length === 1);
    const { embeddings, ...padding } = this.#input(batch, !single, noise);
    const adapter = this.#adapter(batch[0].task);
    const { hidden } = decoderForward(decoder.weights, decoder.config, embeddings, {
      ...padding,
      lastOnly: single,
      ...(adapter === undefined ? {} : { adapter }),
    });
    const length = single ? 1 : embeddings.shape[1];
    const rows = batch.flatMap(({ answer }, row) =>
      answer.map((_, at) => row * length + length - answer.length + at)
    );
    if (batch[0].task.type === "binary" && this.config.answerLoss === "answers") {
      return this.#constrainedLoss(hidden, batch);
    }
    const counted = single ? hidden : tf.gather(hidden, tf.tensor1d(rows, "int32"));
    return tokenCrossEntropy(logitsOf(decoder.weights, counted), batch.flatMap(({ answer }) => answer));
  }

  /**
   * Mean answer loss over samples, each task weighted equally.
   *
   * @param samples encoded samples
   * @returns nats per answer token
   */
  async meanLoss(samples: readonly EncodedSample[]): Promise<number> {
    const byTask = [...Map.groupBy(samples, (sample) => sample.task).values()];
    let total = 0;
    for (const group of byTask) {
      for (const batch of equalLengthBatches(group, INFERENCE_BATCH)) {
        const loss = tf.tidy(() => this.batchLoss(batch));
        total += await readScalar(loss) * batch.length / group.length;
        loss.dispose();
      }
    }
    return total / byTask.length;
  }

  /**
   * How the gate routes the known tasks.
   *
   * @returns weights, entropies and expert load
   */
  async routing(): Promise<RoutingReport> {
    return await routingReport(this.tasks, async (task) => {
      const alpha = tf.tidy(() => this.gateOf(task));
      const weights = [...await readFloat32(alpha)];
      alpha.dispose();
      return weights;
    });
  }

  /**
   * The expert weights of a task: the gate's output, or 1 for a single LoRA.
   *
   * @param task the task's texts
   * @returns `[1, E]`; call inside `tf.tidy`
   */
  gateOf(task: TaskText): tf.Tensor2D {
    const { gate } = this.parameters;
    if (gate === undefined) return tf.ones([1, Math.max(1, expertShape(this.config).experts)]);
    const embedded = (text: string): { tokens: tf.Tensor3D } => {
      const ids = this.base.tokenizer.encode(text);
      return { tokens: embedTokens(this.base.decoder, ids, [1, ids.length]) };
    };
    return gateWeights(gate, embedded(task.modalityDescription), embedded(task.description));
  }

  /** Frees the trained tensors; the base stays. */
  dispose(): void {
    disposeParameters(this.parameters);
  }

  /** Cross-entropy between yes and no alone. */
  #constrainedLoss(hidden: tf.Tensor2D, batch: Batch): tf.Scalar {
    const { yes, no } = answerTokens(this.base.tokenizer);
    const pair = tf.gather(this.base.decoder.weights.head, tf.tensor1d([no, yes], "int32"));
    const logits: tf.Tensor2D = tf.matMul(hidden, pair, false, true);
    return tokenCrossEntropy(logits, batch.map(({ answer }) => answer[0] === yes ? 1 : 0));
  }

  #adapter(task: TaskText): LinearAdapter | undefined {
    const { experts, r, scaling } = expertShape(this.config);
    if (experts === 0) return undefined;
    return expertAdapter(this.parameters.lookup, expertScale(this.gateOf(task), r, scaling));
  }

  #merged(task: TaskText): { weights: DecoderWeights; dispose: () => void } {
    const { experts, r, scaling } = expertShape(this.config);
    const { weights } = this.base.decoder;
    if (experts === 0) return { weights, dispose: () => {} };
    const scale = tf.tidy(() => expertScale(this.gateOf(task), r, scaling));
    const merged = mergeExperts(weights, this.parameters.lookup, scale);
    scale.dispose();
    return merged;
  }

  #input(batch: Batch, withAnswer: boolean, noise?: TokenNoise): ReturnType<typeof promptInput> {
    return promptInput(
      this.base.decoder,
      this.#promptIds,
      this.parameters.projectors,
      batch,
      withAnswer,
      noise,
    );
  }
}

/** A label of the right type whose value does not matter. */
function neutralLabel(label: InjectionSample["label"]): InjectionSample["label"] {
  return typeof label === "string" ? "" : 0;
}
