import { FedKimError } from "../formats/errors.ts";
import {
  type Decoder,
  decoderForward,
  embedTokens,
  generateGreedy,
  type LinearAdapter,
  type TextTokenizer,
} from "../foundation/mod.ts";
import { gatherRows, readFloat32, readScalar, tf } from "../tensor/mod.ts";
import type { SeededRandom } from "../tensor/seeded_random.ts";
import { constrainedLoss, type HeadUpdate, vocabularyLoss } from "./answer_loss.ts";
import { type Batch, equalLengthBatches } from "./batches.ts";
import { expertShape, type InjectionConfig } from "./config.ts";
import { type AnswerTokens, answerTokens, type EncodedSample, encodeSamples } from "./encoded_sample.ts";
import { expertAdapter, expertScale } from "./experts.ts";
import { foldedAdapter } from "./folded_experts.ts";
import { gateWeights } from "./gate.ts";
import { GateCache } from "./gate_cache.ts";
import { dropExperts } from "./gate_regularisation.ts";
import { dropoutAdapter } from "./lora_dropout.ts";
import { type TaskDecoder, taskDecoder } from "./inference.ts";
import { checkMerged, type MergedDecoder, mergedDecoder, mergeExperts } from "./merge.ts";
import { disposeParameters, type InjectionParameters } from "./parameters.ts";
import { type PromptIds, promptIds, type PromptInput, promptInput } from "./prompt.ts";
import { type RoutingReport, routingReport } from "./routing.ts";
import type { InjectionSample, TaskText } from "./samples.ts";
import type { HostTensor } from "./token_encoder.ts";
import { summarise, type TrainableSummary } from "./trainable.ts";

/** Samples per batch at inference. */
const INFERENCE_BATCH = 64;

/** The base that an injection builds on. */
export interface InjectionBase {
  /** The frozen decoder; it stays the caller's. */
  readonly decoder: Decoder;
  /** Its tokenizer. */
  readonly tokenizer: TextTokenizer;
}

/** The random sources of one training pass; at inference there are none. */
export interface PassRandomness {
  /** For the noise on tokens. */
  readonly tokenNoise: SeededRandom;
  /** For the dropout on the experts' input. */
  readonly loraDropout: SeededRandom;
  /** For the choice of experts that are left out. */
  readonly expertDropout: SeededRandom;
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
  readonly #answers: AnswerTokens;
  readonly #gates: GateCache;

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
    this.#answers = answerTokens(base.tokenizer);
    this.#gates = new GateCache(
      parameters.named.filter(({ part }) => part === "gate").map(({ variable }) => variable),
    );
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
    return summarise(this);
  }

  /**
   * Scores binary samples by constrained likelihood: the logit of yes minus the logit of no after the prompt.
   *
   * @param samples samples of binary tasks; labels are not read
   * @returns one score per sample, in order; above 0 means yes
   * @throws FedKimError `UnknownTask` or `ModelError` for samples that do not fit, `ModelError` for a score that is
   * not finite
   */
  async score(samples: readonly InjectionSample[]): Promise<Float64Array> {
    const scores = new Float64Array(samples.length);
    const { yes, no } = this.#answers;
    await this.#forEachBatch(samples, async (batch, { decoder, adapter }) => {
      const logits = tf.tidy(() => {
        const { embeddings } = this.#input(batch, false);
        const options = { lastOnly: true, ...adapter };
        const { hidden } = decoderForward(decoder.weights, decoder.config, embeddings, options);
        return tf.matMul(hidden, gatherRows(decoder.weights.head, [yes, no]), false, true);
      });
      const values = await readFloat32(logits);
      logits.dispose();
      batch.forEach(({ index }, row) => scores[index] = values[2 * row] - values[2 * row + 1]);
    });
    if (scores.every(Number.isFinite)) return scores;
    throw new FedKimError("ModelError", "The model gave scores that are not finite.", {
      remedy: "train the injection again with a lower learningRate",
    });
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
    const answers = new Array<string>(samples.length).fill("");
    await this.#forEachBatch(samples, async (batch, { decoder, adapter }) => {
      const prompt = tf.tidy(() => this.#input(batch, false).embeddings);
      const tokens = await generateGreedy(decoder, prompt, { maxTokens, ...adapter });
      prompt.dispose();
      batch.forEach(({ index }, row) => answers[index] = this.base.tokenizer.decode(tokens[row]).trim());
    });
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
    const { projectors, encoders } = this.parameters;
    const layouts = new Map([...projectors].map(([name, { statistics }]) => {
      const encoder = encoders.get(name)?.encoder;
      return [
        name,
        encoder === undefined
          ? { kind: "tokens", width: statistics.mean.length } as const
          : { kind: "input", width: encoder.inputWidth, count: encoder.tokens } as const,
      ];
    }));
    return encodeSamples(samples, this.#tasks, layouts, this.base.tokenizer, this.config.prompt);
  }

  /**
   * Cross-entropy of the answers of a batch, averaged over answer tokens: what training minimises.
   *
   * @param batch samples of one task and layout
   * @param randomness sources for noise and dropout while training
   * @returns a scalar, differentiable in the parameters; call inside `tf.tidy` or `tf.variableGrads`
   */
  batchLoss(batch: Batch, randomness?: PassRandomness): tf.Scalar {
    const { decoder } = this.base;
    const single = batch.every(({ answer }) => answer.length === 1);
    const { embeddings, ...padding } = this.#input(batch, !single, randomness);
    const { adapter, head } = this.#adaptation(batch[0].task, randomness);
    const { hidden } = decoderForward(decoder.weights, decoder.config, embeddings, {
      ...padding,
      lastOnly: single,
      ...(adapter === undefined ? {} : { adapter }),
    });
    const { distillation, answerLoss } = this.config;
    const options = { decoder, answers: this.#answers, distillation, head };
    if (batch[0].task.type === "binary" && answerLoss === "answers") {
      return constrainedLoss(hidden, batch, options);
    }
    if (single) return vocabularyLoss(hidden, batch, options);
    const length = embeddings.shape[1];
    const rows = batch.flatMap(({ answer }, row) =>
      answer.map((_, at) => row * length + length - answer.length + at)
    );
    return vocabularyLoss(tf.gather(hidden, tf.tensor1d(rows, "int32")), batch, options);
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
    return await routingReport(this.tasks, (task) => this.expertWeights(task));
  }

  /**
   * The expert weights of a task: the gate's output, or 1 for a single LoRA.
   *
   * @param task the task's texts
   * @returns `[1, E]`, differentiable in the gate; call inside `tf.tidy`
   */
  gateOf(task: TaskText): tf.Tensor2D {
    const { gate } = this.parameters;
    if (gate === undefined) return tf.ones([1, Math.max(1, expertShape(this.config).experts)]);
    const { gateTexts, gateTemperature } = this.config;
    const embedded = (text: string): { tokens: tf.Tensor3D } => {
      const ids = this.base.tokenizer.encode(text);
      return { tokens: embedTokens(this.base.decoder, ids, [1, ids.length]) };
    };
    const query = gateTexts === "task_only" ? task.description : task.modalityDescription;
    const key = gateTexts === "modality_only" ? task.modalityDescription : task.description;
    return gateWeights(gate, embedded(query), embedded(key), gateTemperature);
  }

  /**
   * The expert weights of a task on the host, computed once per (task, modality) text.
   *
   * @param task the task's texts
   * @returns E weights that sum to 1; a single 1 without a gate
   */
  async expertWeights(task: TaskText): Promise<readonly number[]> {
    return await this.#gates.weights(task, () => this.gateOf(task));
  }

  /**
   * Merges the experts of one (task, modality) pair into the base, so that inference costs what the base costs.
   * Merged layers are float32, also where the base is packed.
   *
   * @param task a known task's name, or any task's texts
   * @returns the merged decoder; its `unmerge()` frees it and gives the base back
   * @throws FedKimError `UnknownTask` for a name that is not known, `ModelError` when a merged weight is not finite
   */
  async merge(task: string | TaskText): Promise<MergedDecoder> {
    const texts = typeof task === "string" ? this.#known(task) : task;
    const { decoder } = this.base;
    const scale = await this.#scaleOf(texts);
    if (scale === undefined) {
      return mergedDecoder(decoder, { weights: decoder.weights, made: [], dispose: () => {} }, texts);
    }
    const merged = mergeExperts(decoder.weights, this.parameters.lookup, scale, this.parameters.head);
    scale.dispose();
    await checkMerged(merged, texts);
    return mergedDecoder(decoder, merged, texts);
  }

  /**
   * The weights of the encoders that were trained with the injection, for the way back to the sites: like every
   * function of released weights and public data they cost no privacy.
   *
   * @returns weights by the names that the encoders gave them; empty when none was trained
   */
  async encoderWeights(): Promise<Map<string, HostTensor>> {
    const weights = new Map<string, HostTensor>();
    for (const { parameters } of this.parameters.encoders.values()) {
      for (const [name, tensor] of parameters) {
        weights.set(name, { shape: tensor.shape, data: (await readFloat32(tensor)).slice() });
      }
    }
    return weights;
  }

  /** Frees the trained tensors; the base stays. */
  dispose(): void {
    disposeParameters(this.parameters);
  }

  #known(name: string): TaskText {
    const task = this.#tasks.get(name);
    if (task !== undefined) return task;
    throw new FedKimError("UnknownTask", `The task ${name} is not known to this model.`, {
      needed: [...this.#tasks.keys()].join(", "),
    });
  }

  /** Adapters of one pass; the samples of a batch share the gate vector. */
  #adaptation(
    task: TaskText,
    randomness: PassRandomness | undefined,
  ): { adapter: LinearAdapter | undefined; head: HeadUpdate | undefined } {
    const { experts, r, scaling } = expertShape(this.config);
    if (experts === 0) return { adapter: undefined, head: undefined };
    const { loraDropout, expertDropout } = this.config;
    const { lookup, head } = this.parameters;
    const gate = this.gateOf(task);
    const alpha = randomness !== undefined && expertDropout > 0 && experts > 1
      ? dropExperts(gate, expertDropout, randomness.expertDropout)
      : gate;
    const scale = expertScale(alpha, r, scaling);
    const beside = expertAdapter(lookup, scale);
    // On a GPU the fused kernel of the low-rank form is the faster one.
    const adapter = randomness !== undefined && loraDropout > 0
      ? dropoutAdapter(lookup, scale, loraDropout, randomness.loraDropout)
      : tf.getBackend() === "webgpu"
      ? beside
      : foldedAdapter(lookup, scale, beside);
    return { adapter, head: head === undefined ? undefined : { pair: head, scale } };
  }

  /** The decoder for a task's samples. */
  async #prepare(task: TaskText): Promise<TaskDecoder> {
    const { decoder } = this.base;
    const scale = await this.#scaleOf(task);
    if (scale === undefined) return { decoder, adapter: {}, dispose: () => {} };
    const { lookup, head } = this.parameters;
    return await taskDecoder(decoder, { lookup, head, scale }, task);
  }

  /** Weight of every rank-one term for a task, `[1, E*r]`; undefined without experts. */
  async #scaleOf(task: TaskText): Promise<tf.Tensor2D | undefined> {
    const { experts, r, scaling } = expertShape(this.config);
    if (experts === 0) return undefined;
    const alpha = await this.expertWeights(task);
    return tf.tidy(() => expertScale(tf.tensor2d([[...alpha]]), r, scaling));
  }

  /** Runs inference over samples, task by task, each with its experts merged. */
  async #forEachBatch(
    samples: readonly InjectionSample[],
    body: (batch: Batch, prepared: TaskDecoder) => Promise<void>,
  ): Promise<void> {
    const open = samples.map((sample) => ({ ...sample, label: neutralLabel(sample.label) }));
    for (const [task, group] of Map.groupBy(this.encode(open), (sample) => sample.task)) {
      const prepared = await this.#prepare(task);
      try {
        for (const batch of equalLengthBatches(group, INFERENCE_BATCH)) await body(batch, prepared);
      } finally {
        prepared.dispose();
      }
    }
  }

  #input(batch: Batch, withAnswer: boolean, randomness?: PassRandomness): PromptInput {
    const { projectors, encoders } = this.parameters;
    const noise = randomness === undefined || this.config.tokenNoise === 0
      ? undefined
      : { deviation: this.config.tokenNoise, random: randomness.tokenNoise };
    return promptInput(
      this.base.decoder,
      this.#promptIds,
      { projectors, encoders },
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
