import { MASKED_SCORE } from "./causal_attention.ts";
import { type HeadSizes, headSizes } from "./_attention_heads.ts";
import type { tf } from "./_tf.ts";
import type { WebGpuBackend, WebGpuKernelCall } from "./_webgpu_backend.ts";
import { runShader, THREADS, WORKGROUP_SUMS } from "./_webgpu_shader.ts";

/** The rest of a softmax, where each thread has written its scores and knows the largest of them as `top`. */
const SOFTMAX = `
  top = largest(top);
  var sum = 0.0;
  for (var j = id; j < uniforms.keys; j += ${THREADS}) {
    let value = exp(result[first + j] - top);
    sum += value;
    if (live) { result[first + j] = value; }
  }
  sum = total(sum);
  for (var j = id; j < uniforms.keys && live; j += ${THREADS}) { result[first + j] /= sum; }`;

/** What hides a key from a query. */
function hidden(masked: boolean): string {
  return `j > uniforms.keys - uniforms.queries + query${
    masked ? " || keyMask[entry * uniforms.keys + j] == 0.0" : ""
  }`;
}

/** Scaled, masked softmax of scores of heads, as `tiledAttention` lays them out. */
export function attentionSoftmaxKernel({ inputs, attrs, backend }: WebGpuKernelCall): tf.TensorInfo[] {
  const { scores, keyMask } = inputs;
  const masked = keyMask !== undefined;
  const probabilities = scoreRows(backend, attrs as unknown as HeadSizes, {
    key: masked ? "fk_attention_softmax_masked" : "fk_attention_softmax",
    inputs: masked ? { scores, keyMask } : { scores },
    body: `
  var top = -3.0e38;
  for (var j = id; j < uniforms.keys; j += ${THREADS}) {
    var score = scores[first + j] * uniforms.scale;
    if (${hidden(masked)}) { score += ${MASKED_SCORE}.0; }
    top = max(top, score);
    if (live) { result[first + j] = score; }
  }
${SOFTMAX}`,
  });
  return [{ ...probabilities, shape: scores.shape }];
}

/** Gradient of {@link attentionSoftmaxKernel} in the scores. */
export function attentionSoftmaxGradKernel({ inputs, attrs, backend }: WebGpuKernelCall): tf.TensorInfo[] {
  const { probabilities, dProbabilities } = inputs;
  const dScores = scoreRows(backend, attrs as unknown as HeadSizes, {
    key: "fk_attention_softmax_grad",
    inputs: { probabilities, dProbabilities },
    body: `
  var sum = 0.0;
  for (var j = id; j < uniforms.keys; j += ${THREADS}) {
    sum += probabilities[first + j] * dProbabilities[first + j];
  }
  sum = total(sum);
  for (var j = id; j < uniforms.keys && live; j += ${THREADS}) {
    result[first + j] = probabilities[first + j] * (dProbabilities[first + j] - sum) * uniforms.scale;
  }`,
  });
  return [{ ...dScores, shape: probabilities.shape }];
}

/**
 * Causal attention on the rows as they lie, without transposing heads: one dispatch for the probabilities
 * `[B, heads, Tq, Tk]`, one for the output. Gives both.
 */
export function attentionKernel({ inputs, attrs, backend }: WebGpuKernelCall): tf.TensorInfo[] {
  const { q, k, v, keyMask } = inputs;
  const sizes = headSizes(q as tf.Tensor, k as tf.Tensor, attrs as unknown as HeadSizes);
  const masked = keyMask !== undefined;
  const probabilities = scoreRows(backend, sizes, {
    key: masked ? "fk_attention_probabilities_masked" : "fk_attention_probabilities",
    inputs: masked ? { q, k, keyMask } : { q, k },
    body: `
  var top = -3.0e38;
  for (var j = id; j < uniforms.keys; j += ${THREADS}) {
    var score = 0.0;
    let other = keyRow(j);
    for (var d = 0; d < uniforms.headDim; d++) { score += q[own + d] * k[other + d]; }
    score *= uniforms.scale;
    if (${hidden(masked)}) { score += ${MASKED_SCORE}.0; }
    top = max(top, score);
    if (live) { result[first + j] = score; }
  }
${SOFTMAX}`,
  });
  return [overKeys(backend, sizes, probabilities, v, q.shape), probabilities];
}

/** Gradients of {@link attentionKernel} in q, k and v. */
export function attentionGradKernel({ inputs, attrs, backend }: WebGpuKernelCall): tf.TensorInfo[] {
  const { q, k, v, probabilities, dy } = inputs;
  const sizes = headSizes(q as tf.Tensor, k as tf.Tensor, attrs as unknown as HeadSizes);
  const dScores = scoreRows(backend, sizes, {
    key: "fk_attention_score_grad",
    inputs: { probabilities, v, dy },
    body: `
  var sum = 0.0;
  for (var j = id; j < uniforms.keys; j += ${THREADS}) {
    var value = 0.0;
    let other = keyRow(j);
    for (var d = 0; d < uniforms.headDim; d++) { value += dy[own + d] * v[other + d]; }
    sum += probabilities[first + j] * value;
    if (live) { result[first + j] = value; }
  }
  sum = total(sum);
  for (var j = id; j < uniforms.keys && live; j += ${THREADS}) {
    result[first + j] = probabilities[first + j] * (result[first + j] - sum) * uniforms.scale;
  }`,
  });
  const dq = overKeys(backend, sizes, dScores, k, q.shape);
  const dk = overQueries(backend, sizes, dScores, q, k.shape);
  const dv = overQueries(backend, sizes, probabilities, dy, k.shape);
  backend.disposeData(dScores.dataId);
  return [dq, dk, dv];
}

/** One workgroup for each row of scores, i.e. for each query of each head; `[B, heads, Tq, Tk]`. */
function scoreRows(
  backend: WebGpuBackend,
  sizes: HeadSizes,
  { key, inputs, body }: { key: string; inputs: Record<string, tf.TensorInfo>; body: string },
): tf.TensorInfo {
  const { batch, heads, queries, keys, headDim } = sizes;
  const rows = batch * heads * queries;
  const source = `${WORKGROUP_SUMS}
var<private> entry : i32;
var<private> keyHead : i32;
fn keyRow(j : i32) -> i32 {
  return ((entry * uniforms.keys + j) * uniforms.kvHeads + keyHead) * uniforms.headDim;
}
fn main() {
  let live = group < uniforms.rows;
  let row = min(group, uniforms.rows - 1);
  let query = row % uniforms.queries;
  let head = row / uniforms.queries % uniforms.heads;
  entry = row / (uniforms.queries * uniforms.heads);
  keyHead = head / (uniforms.heads / uniforms.kvHeads);
  let own = ((entry * uniforms.queries + query) * uniforms.heads + head) * uniforms.headDim;
  let first = row * uniforms.keys;
${body}
}`;
  const scale = 1 / Math.sqrt(headDim);
  const groups = { perRow: rows };
  return runShader(backend, { key, inputs, sizes: { ...sizes, rows }, factors: { scale }, groups, source }, [
    batch,
    heads,
    queries,
    keys,
  ]);
}

/** Sums rows of keys or values with weights `[B, heads, Tq, Tk]`: one row of `[B*Tq, heads*headDim]` per query. */
function overKeys(
  backend: WebGpuBackend,
  sizes: HeadSizes,
  weights: tf.TensorInfo,
  rows: tf.TensorInfo,
  shape: number[],
): tf.TensorInfo {
  const body = `
  let head = at / uniforms.headDim % uniforms.heads;
  let token = at / (uniforms.headDim * uniforms.heads);
  let entry = token / uniforms.queries;
  let query = token % uniforms.queries;
  let keyHead = head / (uniforms.heads / uniforms.kvHeads);
  let first = ((entry * uniforms.heads + head) * uniforms.queries + query) * uniforms.keys;
  let line = uniforms.kvHeads * uniforms.headDim;
  let base = entry * uniforms.keys * line + keyHead * uniforms.headDim + d;
  for (var j = 0; j < uniforms.keys; j++) { sum += weights[first + j] * rows[base + j * line]; }`;
  return weightedRows(backend, sizes, {
    key: "fk_attention_over_keys",
    inputs: { weights, rows },
    body,
    shape,
  });
}

/** Sums rows of queries, of all heads of a group, with such weights: one row of `[B*Tk, kvHeads*headDim]` per key. */
function overQueries(
  backend: WebGpuBackend,
  sizes: HeadSizes,
  weights: tf.TensorInfo,
  rows: tf.TensorInfo,
  shape: number[],
): tf.TensorInfo {
  const body = `
  let keyHead = at / uniforms.headDim % uniforms.kvHeads;
  let token = at / (uniforms.headDim * uniforms.kvHeads);
  let entry = token / uniforms.keys;
  let key = token % uniforms.keys;
  let sharing = uniforms.heads / uniforms.kvHeads;
  let line = uniforms.heads * uniforms.headDim;
  for (var head = keyHead * sharing; head < (keyHead + 1) * sharing; head++) {
    let first = (entry * uniforms.heads + head) * uniforms.queries * uniforms.keys + key;
    let base = entry * uniforms.queries * line + head * uniforms.headDim + d;
    for (var i = 0; i < uniforms.queries; i++) {
      sum += weights[first + i * uniforms.keys] * rows[base + i * line];
    }
  }`;
  const inputs = { weights, rows };
  return weightedRows(backend, sizes, { key: "fk_attention_over_queries", inputs, body, shape });
}

/** One thread for each element `d` of an output row: `body` adds to `sum`. */
function weightedRows(
  backend: WebGpuBackend,
  sizes: HeadSizes,
  { key, inputs, body, shape }: {
    key: string;
    inputs: Record<string, tf.TensorInfo>;
    body: string;
    shape: number[];
  },
): tf.TensorInfo {
  const source = `
fn main() {
  if (at >= uniforms.count) { return; }
  let d = at % uniforms.headDim;
  var sum = 0.0;
${body}
  result[at] = sum;
}`;
  const count = shape[0] * shape[1];
  return runShader(backend, { key, inputs, sizes: { ...sizes, count }, groups: "elements", source }, shape);
}
