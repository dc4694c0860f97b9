import {
  type DecoderConfig,
  decoderForward,
  type DecoderWeights,
  describeMemory,
  LINEAR_NAMES,
  type LinearAdapter,
  linearShapes,
  logitsOf,
  type MemoryRequest,
  planMemory,
  tokenCrossEntropy,
} from "../../src/foundation/mod.ts";
import {
  deviceMemory,
  linearWeight,
  lowRankLinear,
  readFloat32,
  readScalar,
  resetTensorMemory,
  tensorMemory,
  tf,
  tokenTable,
  type WeightForm,
} from "../../src/tensor/mod.ts";
import { noise } from "./_timing.ts";

/** Qwen2.5-1.5B's shape: 1.54 billion weights. */
export const LARGE_DECODER: DecoderConfig = {
  architecture: "llama",
  vocabSize: 151_936,
  hiddenSize: 1536,
  intermediateSize: 8960,
  layers: 28,
  heads: 12,
  kvHeads: 2,
  headDim: 128,
  rmsNormEps: 1e-6,
  ropeTheta: 1e6,
  ropeScaling: { type: "default" },
  tiedHead: true,
  attentionBias: "none",
  maxPositions: 32_768,
  eosTokenIds: [151_645],
};

/** What a run of the large decoder showed. */
export interface LargeRun {
  readonly parameters: number;
  readonly tokens: number;
  readonly form: WeightForm;
  readonly plan: string;
  readonly plannedBytes: number;
  readonly weightBytes: number;
  readonly peakBytes: number;
  readonly packSeconds: number;
  readonly forwardSeconds: number;
  readonly stepSeconds: number;
  readonly tokenSeconds: number;
  readonly loss: number;
  readonly gradientNorm: number;
}

const RANK = 32;
const TARGETS = ["q_proj", "v_proj"] as const;

/** One training step of the large decoder on one sequence. */
export function largeRequest(weights: WeightForm, tokens: number): MemoryRequest {
  const adapter = { rank: RANK, targetModules: TARGETS };
  return { config: LARGE_DECODER, weights, backend: "webgpu", batch: 1, tokens, training: true, adapter };
}

/** Forward, adapter backward and single-token forward of a decoder with made-up weights, with the peak of memory. Times
 * are the best of some rounds.
 */
export async function runLargeDecoder(
  config: DecoderConfig,
  form: WeightForm,
  tokens: number,
  rounds: number,
): Promise<LargeRun> {
  const plan = planMemory({ ...largeRequest(form, tokens), config });
  const line = describeMemory(plan, await deviceMemory());
  console.log(line);
  resetTensorMemory();
  const before = tensorMemory().allocated;
  const packing = performance.now();
  const weights = madeUpWeights(config, form);
  const packSeconds = (performance.now() - packing) / 1000;
  const weightBytes = tensorMemory().allocated - before;
  console.log(`packed ${(weightBytes / 1e9).toFixed(2)} GB in ${packSeconds.toFixed(0)} s`);
  const { adapter, variables } = madeUpAdapter(config);
  const embeddings = tf.tensor3d(noise(tokens * config.hiddenSize, 1), [1, tokens, config.hiddenSize]);
  const forward = async (x: tf.Tensor3D): Promise<number> => {
    const start = performance.now();
    const scores = tf.tidy(() =>
      logitsOf(weights, decoderForward(weights, config, x, { lastOnly: true }).hidden)
    );
    await readFloat32(scores);
    scores.dispose();
    return (performance.now() - start) / 1000;
  };
  const best = async (run: () => Promise<number>): Promise<number> => {
    let seconds = Infinity;
    for (let round = 0; round < rounds; round++) seconds = Math.min(seconds, await run());
    return seconds;
  };
  const forwardSeconds = await best(() => forward(embeddings));
  const one = embeddings.slice([0, 0, 0], [1, 1, config.hiddenSize]) as tf.Tensor3D;
  const tokenSeconds = await best(() => forward(one));
  console.log(`forward ${forwardSeconds.toFixed(2)} s, one token ${tokenSeconds.toFixed(2)} s`);
  const step = async (): Promise<{ seconds: number; loss: number; norm: number }> => {
    const start = performance.now();
    const { value, norm } = tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => {
        const { hidden } = decoderForward(weights, config, embeddings, { adapter, lastOnly: true });
        return tokenCrossEntropy(logitsOf(weights, hidden), [7]);
      }, variables);
      return { value, norm: tf.addN(Object.values(grads).map((grad) => grad.square().sum())).sqrt() };
    });
    const [loss, size] = [await readScalar(value), await readScalar(norm)];
    tf.dispose([value, norm]);
    return { seconds: (performance.now() - start) / 1000, loss, norm: size };
  };
  let last = { loss: NaN, norm: NaN };
  const stepSeconds = await best(async () => {
    const { seconds, ...result } = await step();
    last = result;
    return seconds;
  });
  console.log(`step ${stepSeconds.toFixed(2)} s, loss ${last.loss}, gradient norm ${last.norm}`);
  const peakBytes = tensorMemory().peak - before;
  const run: LargeRun = {
    parameters: config.layers * Object.values(linearShapes(config)).reduce((sum, [i, o]) => sum + i * o, 0) +
      config.vocabSize * config.hiddenSize,
    tokens,
    form,
    plan: line,
    plannedBytes: plan.total - plan.optimizer,
    weightBytes,
    peakBytes,
    packSeconds,
    forwardSeconds,
    stepSeconds,
    tokenSeconds,
    loss: last.loss,
    gradientNorm: last.norm,
  };
  for (const tensor of [embeddings, one, ...variables]) tensor.dispose();
  disposeAll(weights);
  return run;
}

function madeUpWeights(config: DecoderConfig, form: WeightForm): DecoderWeights {
  const { vocabSize, hiddenSize } = config;
  const shapes = linearShapes(config);
  const embedding = tokenTable(noise(vocabSize * hiddenSize, 0.02), [vocabSize, hiddenSize], form);
  return {
    embedding,
    head: embedding,
    finalNorm: tf.ones([hiddenSize]),
    layers: Array.from({ length: config.layers }, () => ({
      attentionNorm: tf.ones([hiddenSize]),
      feedForwardNorm: tf.ones([hiddenSize]),
      linears: Object.fromEntries(LINEAR_NAMES.map((name) => {
        const [input, output] = shapes[name];
        return [name, {
          weight: linearWeight(noise(input * output, 1 / Math.sqrt(input)), [input, output], form),
        }];
      })) as unknown as DecoderWeights["layers"][number]["linears"],
    })),
  };
}

function madeUpAdapter(config: DecoderConfig): { adapter: LinearAdapter; variables: tf.Variable[] } {
  const shapes = linearShapes(config);
  const variables: tf.Variable[] = [];
  const variable = (rows: number, columns: number): tf.Tensor2D => {
    const made = tf.tidy(() => tf.variable(tf.tensor2d(noise(rows * columns, 0.02), [rows, columns])));
    variables.push(made);
    return made as tf.Tensor as tf.Tensor2D;
  };
  const pairs = Array.from(
    { length: config.layers },
    () =>
      new Map<string, { down: tf.Tensor2D; up: tf.Tensor2D }>(TARGETS.map((name) => {
        const [input, output] = shapes[name];
        return [name, { down: variable(input, RANK), up: variable(RANK, output) }];
      })),
  );
  const scale = tf.tidy(() => tf.variable(tf.ones([1, RANK])));
  variables.push(scale);
  return {
    variables,
    adapter: {
      project: (layer, name, x, base) => {
        const pair = pairs[layer].get(name);
        return pair &&
          lowRankLinear(x, base.weight, base.bias, { ...pair, scale: scale as tf.Tensor as tf.Tensor2D });
      },
    },
  };
}

function disposeAll(weights: DecoderWeights): void {
  weights.embedding.dispose();
  weights.finalNorm.dispose();
  for (const layer of weights.layers) {
    tf.dispose([layer.attentionNorm, layer.feedForwardNorm]);
    for (const { weight } of Object.values(layer.linears)) weight.dispose();
  }
}
