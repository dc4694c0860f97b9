import type { tf } from "./_tf.ts";
import { gemm, type MatrixView, transposedView } from "./_wasm_gemm.ts";
import { addressOf, floats, type WasmBackend } from "./_wasm_heap.ts";
import type { KernelCall } from "./_wasm_row_kernels.ts";

/** y = x W + bias + ((x down) * scale) up; also gives x down, `[N, R]`. */
export function lowRankLinearKernel(
  { inputs, backend }: KernelCall<"x" | "weight" | "down" | "up" | "scale" | "bias">,
): tf.TensorInfo[] {
  const { x, weight, down, up, scale, bias } = inputs;
  const [rows, input] = x.shape;
  const [rank, columns] = up.shape;
  const y = backend.makeOutput([rows, columns], "float32");
  const low = backend.makeOutput([rows, rank], "float32");
  const scaled = backend.makeOutput([rows, rank], "float32");
  const view = (tensor: tf.TensorInfo): MatrixView => matrix(backend, tensor);
  gemm(backend, { rows, depth: input, columns: rank }, view(x), view(down), view(low));
  scaleRows(backend, low, scale, scaled);
  gemm(backend, { rows, depth: input, columns }, view(x), view(weight), view(y));
  gemm(backend, { rows, depth: rank, columns }, view(scaled), view(up), view(y), true);
  backend.disposeData(scaled.dataId);
  if (bias !== undefined) addBias(floats(backend, y), floats(backend, bias));
  return [y, low];
}

/** Gradients of {@link lowRankLinearKernel} in x, down, up and scale; the weight is frozen. */
export function lowRankLinearGradKernel(
  { inputs, backend }: KernelCall<"x" | "weight" | "down" | "up" | "scale" | "low" | "dy">,
): tf.TensorInfo[] {
  const { x, weight, down, up, scale, low, dy } = inputs;
  const [rows, input] = x.shape;
  const [rank, columns] = up.shape;
  const outputs = [x, down, up, scale].map(({ shape }) => backend.makeOutput(shape, "float32"));
  const [dx, dDown, dUp, dScale] = outputs;
  const dScaled = backend.makeOutput([rows, rank], "float32");
  const dLow = backend.makeOutput([rows, rank], "float32");
  const scaled = backend.makeOutput([rows, rank], "float32");
  const view = (tensor: tf.TensorInfo): MatrixView => matrix(backend, tensor);
  const turned = (tensor: tf.TensorInfo): MatrixView => transposedView(view(tensor));
  scaleRows(backend, low, scale, scaled);
  gemm(backend, { rows: rank, depth: rows, columns }, turned(scaled), view(dy), view(dUp));
  gemm(backend, { rows, depth: columns, columns: rank }, view(dy), turned(up), view(dScaled));
  scaleRows(backend, dScaled, scale, dLow);
  scaleGradient(floats(backend, dScaled), floats(backend, low), floats(backend, dScale));
  gemm(backend, { rows: input, depth: rows, columns: rank }, turned(x), view(dLow), view(dDown));
  gemm(backend, { rows, depth: columns, columns: input }, view(dy), turned(weight), view(dx));
  gemm(backend, { rows, depth: rank, columns: input }, view(dLow), turned(down), view(dx), true);
  for (const temporary of [dScaled, dLow, scaled]) backend.disposeData(temporary.dataId);
  return outputs;
}

function matrix(backend: WasmBackend, tensor: tf.TensorInfo): MatrixView {
  return { address: addressOf(backend, tensor), row: 4 * tensor.shape[1], column: 4 };
}

/** to = from * scale, where scale has one row or as many as `from`. */
function scaleRows(backend: WasmBackend, from: tf.TensorInfo, scale: tf.TensorInfo, to: tf.TensorInfo): void {
  const [source, factors, target] = [from, scale, to].map((tensor) => floats(backend, tensor));
  for (let i = 0, j = 0; i < source.length; i++, j++) {
    if (j === factors.length) j = 0;
    target[i] = source[i] * factors[j];
  }
}

/** Sums dScaled * low over the rows that share a scale. */
function scaleGradient(dScaled: Float32Array, low: Float32Array, dScale: Float32Array): void {
  dScale.fill(0);
  for (let i = 0, j = 0; i < low.length; i++, j++) {
    if (j === dScale.length) j = 0;
    dScale[j] += dScaled[i] * low[i];
  }
}

function addBias(y: Float32Array, bias: Float32Array): void {
  for (let i = 0, j = 0; i < y.length; i++, j++) {
    if (j === bias.length) j = 0;
    y[i] += bias[j];
  }
}
