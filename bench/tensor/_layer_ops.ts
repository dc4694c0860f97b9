import {
  causalAttention,
  readFloat32,
  resetTensorMemory,
  rmsNorm,
  rotary,
  swiglu,
  tensorMemory,
  tf,
} from "../../src/tensor/mod.ts";
import { noise, secondsOf } from "./_timing.ts";

type T2 = tf.Tensor2D;

/** Batch, tokens, heads, width of a head, width of the feed-forward network. */
const SHAPE = { batch: 4, tokens: 64, heads: 4, headDim: 64, feedForward: 688 } as const;

/** All that a decoder layer computes beside its products with weights, by our shaders or composed of tfjs's ops. */
export interface LayerOpsRow {
  /** What was run. */
  readonly what: string;
  /** Shaders that were started. */
  readonly dispatches: number;
  /** Bytes of device memory at the peak, inputs not counted. */
  readonly peakBytes: number;
  /** Seconds of one run. */
  readonly seconds: number;
}

const FUSED = [
  "FkRmsNorm",
  "FkRmsNormGrad",
  "FkSwiglu",
  "FkSwigluGrad",
  "FkRotary",
  "FkAttention",
  "FkAttentionGrad",
] as const;

/** Forward, and forward with gradients, of a layer's ops on WebGPU. */
export async function measureLayerOps(): Promise<LayerOpsRow[]> {
  const { batch, tokens, heads, headDim, feedForward } = SHAPE;
  const matrix = (columns: number): T2 =>
    tf.tensor2d(noise(batch * tokens * columns, 1), [batch * tokens, columns]);
  const width = heads * headDim;
  const inputs = [matrix(width), matrix(width), matrix(width), matrix(feedForward), matrix(feedForward)];
  const angles = tf.tensor2d(noise(tokens * headDim / 2, 3), [tokens, headDim / 2]);
  const table = { cos: angles.cos() as T2, sin: angles.sin() as T2 };
  const gain = tf.ones([width]);
  const layer = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, gate: tf.Tensor, up: tf.Tensor): tf.Scalar => {
    const [queries, keys] = [q, k].map((x) => rotary(rmsNorm(x as T2, gain, 1e-5), table, heads));
    const attended = causalAttention(queries, keys, v as T2, { batch, heads, kvHeads: heads });
    return attended.sum().add(swiglu(gate as T2, up as T2).sum());
  };
  const forward = (): tf.Tensor =>
    tf.tidy(() => layer(inputs[0], inputs[1], inputs[2], inputs[3], inputs[4]));
  const gradients = tf.grads((...xs: tf.Tensor[]) => layer(xs[0], xs[1], xs[2], xs[3], xs[4]));
  const backward = (): tf.Tensor => tf.tidy(() => gradients(inputs)[0]);
  const rows: LayerOpsRow[] = [];
  for (const [pass, make] of [["forward", forward], ["forward and backward", backward]] as const) {
    rows.push({ what: `${pass}, our shaders`, ...await measure(make) });
    rows.push({ what: `${pass}, composed`, ...await withoutFused(() => measure(make)) });
  }
  tf.dispose([...inputs, angles, table.cos, table.sin, gain]);
  return rows;
}

async function measure(make: () => tf.Tensor): Promise<Omit<LayerOpsRow, "what">> {
  const seconds = await secondsOf(make, 2, 4);
  resetTensorMemory();
  const before = tensorMemory().allocated;
  const dispatches = await counted(make);
  return { dispatches, peakBytes: tensorMemory().peak - before, seconds };
}

async function counted(make: () => tf.Tensor): Promise<number> {
  const backend = tf.backend() as unknown as { runWebGPUProgram: (...all: unknown[]) => unknown };
  const run = backend.runWebGPUProgram;
  let count = 0;
  backend.runWebGPUProgram = (...all) => {
    count++;
    return run.apply(backend, all);
  };
  try {
    const result = make();
    await readFloat32(result);
    result.dispose();
  } finally {
    backend.runWebGPUProgram = run;
  }
  return count;
}

/** Without our shaders the same functions compose tfjs's ops. */
async function withoutFused<T>(body: () => Promise<T>): Promise<T> {
  const kernels = FUSED.map((name) => tf.getKernel(name, "webgpu"));
  for (const name of FUSED) tf.unregisterKernel(name, "webgpu");
  try {
    return await body();
  } finally {
    for (const kernel of kernels) tf.registerKernel(kernel);
  }
}
