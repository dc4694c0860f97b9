import { AdamW, clipFactor, disposeAll, gatherRows, readScalar, tf, warmupCosine } from "../tensor/mod.ts";
import { sha256Hex } from "../formats/canonical_json.ts";
import { SeededRandom } from "../tensor/seeded_random.ts";
import { countWords, trainBytePairs } from "./bpe_trainer.ts";
import { writeCheckpoint } from "./checkpoint_writer.ts";
import type { DecoderConfig } from "./config.ts";
import { type QuestionAnswer, readQuestionAnswers } from "./corpus.ts";
import { decoderForward, logitsOf } from "./forward.ts";
import { initTrainableWeights, type TrainableWeights } from "./init_weights.ts";
import { tokenCrossEntropy } from "./loss.ts";
import { restoreState, saveState, stateFile } from "./_pretrain_state.ts";
import { loadTokenizer, type TextTokenizer } from "./tokenizer.ts";
import { SPECIAL_TOKENS, tokenizerConfigJson, tokenizerJson } from "./tokenizer_file.ts";
import { disposeWeights } from "./weights.ts";

/** What to train and for how long. */
export interface PretrainOptions {
  /** JSON lines of `question` and `answer`, plain or gzip-compressed. */
  readonly corpus: string;
  /** Texts whose words must be single tokens, e.g. the questions and answers of the tasks. */
  readonly priorityTexts: readonly string[];
  /** Folder to write; made if absent. */
  readonly output: string;
  /** Number of optimizer steps. */
  readonly steps: number;
  /** Sequences per step. */
  readonly batchSize: number;
  /** Tokens per sequence. */
  readonly sequenceLength: number;
  /** Peak learning rate of AdamW. */
  readonly learningRate: number;
  /** Seed of the initialisation and of the order of the text. */
  readonly seed: number;
  /** Size of the model. */
  readonly shape: PretrainShape;
  /** Element type of the stored weights. */
  readonly dtype: "F32" | "F16" | "BF16";
}

/** Size of the model to train. */
export interface PretrainShape {
  /** Tokens in the vocabulary. */
  readonly vocabSize: number;
  /** Width of the residual stream. */
  readonly hiddenSize: number;
  /** Width of the feed-forward network. */
  readonly intermediateSize: number;
  /** Number of layers. */
  readonly layers: number;
  /** Attention heads. */
  readonly heads: number;
  /** Longest sequence. */
  readonly maxPositions: number;
}

/** Settings for a small model that trains on a CPU core in about twenty minutes. */
export const DEFAULT_PRETRAIN: Omit<PretrainOptions, "corpus" | "priorityTexts" | "output"> = {
  steps: 900,
  batchSize: 24,
  sequenceLength: 96,
  learningRate: 3e-3,
  seed: 1,
  shape: {
    vocabSize: 4096,
    hiddenSize: 128,
    intermediateSize: 320,
    layers: 4,
    heads: 4,
    maxPositions: 512,
  },
  dtype: "F16",
};

/** Weight of a priority text in the vocabulary's word counts. */
const PRIORITY = 500;

/** Longest part of an answer that is read, in characters: the corpus has answers of many pages. */
const ANSWER_CHARACTERS = 1200;

/** The run's state is written after every so many steps. */
const SAVE_EVERY = 25;

/** One report of a training run. */
export interface PretrainProgress {
  /** Steps made. */
  readonly step: number;
  /** Steps in all. */
  readonly steps: number;
  /** Mean cross-entropy per token in nats, of this step. */
  readonly loss: number;
}

/** What a training run has made. */
export interface PretrainResult {
  /** The folder written. */
  readonly folder: string;
  /** Tokens in the training text. */
  readonly trainTokens: number;
  /** Perplexity per token on the held-out answers. */
  readonly heldOutPerplexity: number;
  /** Tokens in the held-out text. */
  readonly heldOutTokens: number;
}

/**
 * Trains a small Llama-type language model and its byte-level BPE vocabulary on questions and answers, and writes
 * a Hugging Face folder. The last 2 % of the pairs are held out. Exact under its seed on one backend. An
 * interrupted run goes on from its last saved step, to the bit, when it is started again with the same options.
 *
 * @param options corpus, size, schedule and output
 * @returns progress after every step; the generator's return value is the result
 * @throws FedKimError `FormatError` for a corpus that cannot be read, `ModelError` when the folder holds an
 * interrupted run with other options
 */
export async function* pretrainDecoder(
  options: PretrainOptions,
): AsyncGenerator<PretrainProgress, PretrainResult, void> {
  const pairs = await readQuestionAnswers(options.corpus);
  const split = Math.floor(pairs.length * 0.98);
  await Deno.mkdir(options.output, { recursive: true });
  const config = await writeTokenizer(pairs.slice(0, split), options);
  const tokenizer = await loadTokenizer(options.output);
  const train = tokenStream(pairs.slice(0, split), tokenizer);
  const heldOut = tokenStream(pairs.slice(split), tokenizer);
  const model = initTrainableWeights(config, options.seed);
  const optimizer = new AdamW(model.variables, { weightDecay: 0.01, beta2: 0.99 });
  const run = fingerprint(options, train);
  try {
    const first = await restoreState(options.output, run, model.variables, optimizer);
    for (let step = first; step < options.steps; step++) {
      const random = new SeededRandom(options.seed + 1 + 2 ** 32 * step);
      const rate = options.learningRate * warmupCosine(step, options.steps, 0.05, 0.05);
      const batch = windows(train, options.sequenceLength, options.batchSize, random);
      const loss = await trainStep(model, config, batch, optimizer, rate);
      if ((step + 1) % SAVE_EVERY === 0) {
        await saveState(options.output, run, step + 1, model.variables, optimizer);
      }
      yield { step: step + 1, steps: options.steps, loss };
    }
    await writeCheckpoint(options.output, config, model.weights, options.dtype);
    const heldOutLoss = await evaluate(model, config, heldOut, options.sequenceLength);
    await Deno.remove(stateFile(options.output)).catch(() => {});
    return {
      folder: options.output,
      trainTokens: train.length,
      heldOutPerplexity: Math.exp(heldOutLoss),
      heldOutTokens: heldOut.length,
    };
  } finally {
    optimizer.dispose();
    disposeWeights(model.weights);
  }
}

async function writeTokenizer(
  pairs: readonly QuestionAnswer[],
  options: PretrainOptions,
): Promise<DecoderConfig> {
  const { shape, output } = options;
  const texts = function* (): Generator<readonly [string, number]> {
    for (const text of options.priorityTexts) yield [text, PRIORITY];
    for (const { question, answer } of pairs) {
      yield [question, 1];
      yield [answer.slice(0, ANSWER_CHARACTERS), 1];
    }
  };
  const vocabulary = trainBytePairs(countWords(texts()), shape.vocabSize, SPECIAL_TOKENS);
  await Deno.writeTextFile(`${output}/tokenizer.json`, JSON.stringify(tokenizerJson(vocabulary)));
  const settings = JSON.stringify(tokenizerConfigJson(shape.maxPositions), null, 2);
  await Deno.writeTextFile(`${output}/tokenizer_config.json`, settings + "\n");
  return {
    architecture: "llama",
    vocabSize: vocabulary.tokens.length,
    hiddenSize: shape.hiddenSize,
    intermediateSize: shape.intermediateSize,
    layers: shape.layers,
    heads: shape.heads,
    kvHeads: shape.heads,
    headDim: shape.hiddenSize / shape.heads,
    rmsNormEps: 1e-5,
    ropeTheta: 10000,
    ropeScaling: { type: "default" },
    tiedHead: true,
    attentionBias: "none",
    maxPositions: shape.maxPositions,
    bosTokenId: SPECIAL_TOKENS.indexOf("<bos>"),
    eosTokenIds: [SPECIAL_TOKENS.indexOf("<eos>")],
  };
}

/** A hash of everything that decides the run. */
function fingerprint(options: PretrainOptions, train: Int32Array<ArrayBuffer>): string {
  const { output: _, corpus: __, ...settings } = options;
  return sha256Hex(JSON.stringify([settings, sha256Hex(new Uint8Array(train.buffer))]));
}

/** All pairs in the form of the prompts that the model will see, as one stream of tokens. */
function tokenStream(pairs: readonly QuestionAnswer[], tokenizer: TextTokenizer): Int32Array<ArrayBuffer> {
  const ids: number[] = [];
  for (const { question, answer } of pairs) {
    const text = `human : ${question} assistant : answer : ${answer.slice(0, ANSWER_CHARACTERS)}`;
    ids.push(tokenizer.bosId as number);
    for (const id of tokenizer.encode(text)) ids.push(id);
    ids.push(tokenizer.eosId as number);
  }
  return Int32Array.from(ids);
}

/** A batch of windows: inputs and the tokens that follow them. */
interface Batch {
  readonly shape: [number, number];
  readonly inputs: Int32Array;
  readonly labels: Int32Array;
}

function windows(stream: Int32Array, length: number, count: number, random: SeededRandom): Batch {
  const starts = Array.from({ length: count }, () => random.integer(stream.length - length - 1));
  return windowsAt(stream, starts, length);
}

function windowsAt(stream: Int32Array, starts: readonly number[], length: number): Batch {
  const inputs = new Int32Array(starts.length * length);
  const labels = new Int32Array(inputs.length);
  starts.forEach((start, row) => {
    inputs.set(stream.subarray(start, start + length), row * length);
    labels.set(stream.subarray(start + 1, start + length + 1), row * length);
  });
  return { shape: [starts.length, length], inputs, labels };
}

function batchLoss(model: TrainableWeights, config: DecoderConfig, batch: Batch): tf.Scalar {
  const { embedding } = model.weights;
  const embedded = gatherRows(embedding, batch.inputs)
    .reshape([...batch.shape, config.hiddenSize]) as tf.Tensor3D;
  const { hidden } = decoderForward(model.weights, config, embedded);
  return tokenCrossEntropy(logitsOf(model.weights, hidden), batch.labels);
}

async function trainStep(
  model: TrainableWeights,
  config: DecoderConfig,
  batch: Batch,
  optimizer: AdamW,
  rate: number,
): Promise<number> {
  const { value, grads } = tf.variableGrads(() => batchLoss(model, config, batch), [...model.variables]);
  const gradients = model.variables.map((variable) => grads[variable.name]);
  const factor = clipFactor(gradients, 1);
  optimizer.step(gradients, rate, factor);
  const loss = await readScalar(value);
  disposeAll([value, factor, ...gradients]);
  return loss;
}

async function evaluate(
  model: TrainableWeights,
  config: DecoderConfig,
  stream: Int32Array,
  length: number,
): Promise<number> {
  const starts: number[] = [];
  for (let start = 0; start + length < stream.length; start += length) starts.push(start);
  let total = 0;
  for (let first = 0; first < starts.length; first += 32) {
    const chunk = starts.slice(first, first + 32);
    const loss = tf.tidy(() => batchLoss(model, config, windowsAt(stream, chunk, length)));
    total += await readScalar(loss) * chunk.length;
    loss.dispose();
  }
  return total / starts.length;
}
