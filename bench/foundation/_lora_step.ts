import {
  type DecoderConfig,
  decoderForward,
  type DecoderWeights,
  LINEAR_NAMES,
  linearShapes,
  logitsOf,
  type MemoryRequest,
  tokenCrossEntropy,
} from "../../src/foundation/mod.ts";
import { initTrainableWeights } from "../../src/foundation/init_weights.ts";
import { AdamW, clipFactor, disposeAll, lowRankLinear, readScalar, tf } from "../../src/tensor/mod.ts";

/** The step that is measured: d = 256, 4 layers, 4 sequences of 64 tokens, LoRA of rank 8 at every linear layer. */
export const LORA_STEP = { batch: 4, tokens: 64, rank: 8 } as const;

const CONFIG: DecoderConfig = {
  architecture: "llama",
  vocabSize: 4096,
  hiddenSize: 256,
  intermediateSize: 688,
  layers: 4,
  heads: 4,
  kvHeads: 4,
  headDim: 64,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: { type: "default" },
  tiedHead: true,
  attentionBias: "none",
  maxPositions: 64,
  eosTokenIds: [],
};

/** The step as the memory plan sees it. */
export const LORA_STEP_MEMORY: MemoryRequest = {
  config: CONFIG,
  weights: "float32",
  backend: "wasm",
  batch: LORA_STEP.batch,
  tokens: LORA_STEP.tokens,
  scoredTokens: 1,
  training: true,
  adapter: { rank: LORA_STEP.rank, targetModules: LINEAR_NAMES },
};

type Matrices = Readonly<Record<string, readonly [down: tf.Variable, up: tf.Variable]>>;

function loraMatrices(): Matrices {
  const { rank } = LORA_STEP;
  const shapes = linearShapes(CONFIG);
  return Object.fromEntries(
    Array.from({ length: CONFIG.layers }, (_, layer) =>
      LINEAR_NAMES.map((name) => {
        const [input, output] = shapes[name];
        const down = tf.variable(tf.randomNormal([input, rank], 0, 0.02, "float32", 1));
        return [`${layer}.${name}`, [down, tf.variable(tf.zeros([rank, output]))]] as const;
      })).flat(),
  );
}

/** A whole training step: forward, backward, clipping, AdamW. Loss at the last position, as for an answer. */
export function loraStep(): () => Promise<number> {
  const { weights: variables } = initTrainableWeights(CONFIG, 1);
  const weights = frozen(variables);
  const matrices = loraMatrices();
  const trained = Object.values(matrices).flat();
  const optimizer = new AdamW(trained);
  const { batch, tokens, rank } = LORA_STEP;
  const scale = tf.fill([1, rank], 2) as tf.Tensor2D;
  const embeddings = tf.randomNormal([batch, tokens, CONFIG.hiddenSize], 0, 1, "float32", 3) as tf.Tensor3D;
  const adapter: NonNullable<Parameters<typeof decoderForward>[3]>["adapter"] = {
    project: (layer, name, x, base) => {
      const [down, up] = matrices[`${layer}.${name}`] as unknown as [tf.Tensor2D, tf.Tensor2D];
      return lowRankLinear(x, base.weight, base.bias, { down, up, scale });
    },
  };
  const labels = Array.from({ length: batch }, (_, row) => 5 + row);
  const loss = (): tf.Scalar => {
    const { hidden } = decoderForward(weights, CONFIG, embeddings, { adapter, lastOnly: true });
    return tokenCrossEntropy(logitsOf(weights, hidden), labels);
  };
  return async () => {
    const { value, grads } = tf.variableGrads(loss, trained);
    const gradients = trained.map(({ name }) => grads[name]);
    const factor = clipFactor(gradients, 1);
    optimizer.step(gradients, 1e-4, factor);
    const result = await readScalar(value);
    disposeAll([value, factor, ...gradients]);
    return result;
  };
}

/** Variables would be taken for trained. */
function frozen(weights: DecoderWeights): DecoderWeights {
  const constant = <T extends tf.Tensor>(tensor: T): T => tf.clone(tensor);
  const matrix = (tensor: unknown): never => constant(tensor as tf.Tensor) as never;
  const embedding = matrix(weights.embedding);
  return {
    embedding,
    head: embedding,
    finalNorm: constant(weights.finalNorm),
    layers: weights.layers.map((layer) => ({
      attentionNorm: constant(layer.attentionNorm),
      feedForwardNorm: constant(layer.feedForwardNorm),
      linears: Object.fromEntries(
        Object.entries(layer.linears).map(([name, { weight }]) => [name, { weight: matrix(weight) }]),
      ) as never,
    })),
  };
}

/** One product of the step: batch count, rows, depth, columns, and which operands are read transposed. */
type Product = readonly [
  batch: number,
  rows: number,
  depth: number,
  columns: number,
  a: boolean,
  b: boolean,
];

/** Every matrix product of {@link loraStep}, forward and backward, with its shapes. */
function products(): Product[] {
  const { batch, tokens, rank } = LORA_STEP;
  const list: Product[] = [];
  const shapes = linearShapes(CONFIG);
  const ofLinear = (rows: number, [input, output]: readonly [number, number]): void => {
    list.push([1, rows, input, output, false, false], [1, rows, output, input, false, true]);
    list.push([1, rows, input, rank, false, false], [1, rows, rank, output, false, false]);
    list.push([1, rows, output, rank, false, true], [1, rank, rows, output, true, false]);
    list.push([1, input, rows, rank, true, false], [1, rows, rank, input, false, true]);
  };
  for (let layer = 0; layer < CONFIG.layers; layer++) {
    // In the top layer only the last position of each sequence is computed after keys and values.
    const top = layer === CONFIG.layers - 1;
    for (const name of LINEAR_NAMES) {
      const narrow = top && name !== "k_proj" && name !== "v_proj";
      ofLinear(narrow ? batch : batch * tokens, shapes[name]);
    }
    const queries = top ? 1 : tokens;
    const [heads, width] = [batch * CONFIG.heads, CONFIG.headDim];
    list.push([heads, queries, width, tokens, false, true], [heads, queries, tokens, width, false, false]);
    list.push([heads, queries, width, tokens, false, true], [heads, tokens, queries, width, true, false]);
    list.push([heads, queries, tokens, width, false, false], [heads, tokens, queries, width, true, false]);
  }
  list.push([1, batch, CONFIG.hiddenSize, CONFIG.vocabSize, false, true]);
  list.push([1, batch, CONFIG.vocabSize, CONFIG.hiddenSize, false, false]);
  return list;
}

/** Only the products of {@link loraStep}, by the same kernels. */
export function matmulsAlone(): { run: () => Promise<void>; flops: number } {
  const made = new Map<string, tf.Tensor3D>();
  const operand = (batch: number, rows: number, columns: number): tf.Tensor3D => {
    const key = [batch, rows, columns].join();
    const found = made.get(key) ?? tf.randomNormal([batch, rows, columns], 0, 1, "float32", 5) as tf.Tensor3D;
    made.set(key, found);
    return found;
  };
  const calls = products().map(([batch, rows, depth, columns, transposeA, transposeB]) => {
    const a = transposeA ? operand(batch, depth, rows) : operand(batch, rows, depth);
    const b = transposeB ? operand(batch, columns, depth) : operand(batch, depth, columns);
    return () => tf.matMul(a, b, transposeA, transposeB).dispose();
  });
  return {
    run: () => {
      for (const call of calls) call();
      return Promise.resolve();
    },
    flops: products().reduce(
      (sum, [batch, rows, depth, columns]) => sum + 2 * batch * rows * depth * columns,
      0,
    ),
  };
}
