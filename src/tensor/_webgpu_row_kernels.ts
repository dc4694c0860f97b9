import type { tf } from "./_tf.ts";
import { sizeOf, type WebGpuKernelCall } from "./_webgpu_backend.ts";
import { runShader, THREADS, WORKGROUP_SUMS } from "./_webgpu_shader.ts";

/** RMS normalisation of `[N, C]`; also gives 1 / rms, `[N, 1]`. */
export function rmsNormKernel({ inputs, attrs, backend }: WebGpuKernelCall): tf.TensorInfo[] {
  const { x, gamma } = inputs;
  const [rows, columns] = x.shape;
  const inverse = runShader(backend, {
    key: "fk_inverse_rms",
    inputs: { x },
    sizes: { rows, columns },
    factors: { epsilon: attrs.epsilon as number },
    groups: { perRow: rows },
    source: `${WORKGROUP_SUMS}
fn main() {
  let first = min(group, uniforms.rows - 1) * uniforms.columns;
  var sum = 0.0;
  for (var i = id; i < uniforms.columns; i += ${THREADS}) { sum += x[first + i] * x[first + i]; }
  sum = total(sum);
  if (id == 0 && group < uniforms.rows) {
    result[group] = inverseSqrt(sum / f32(uniforms.columns) + uniforms.epsilon);
  }
}`,
  }, [rows, 1]);
  const y = runShader(backend, {
    key: "fk_rms_norm",
    inputs: { x, gamma, inverse },
    sizes: { count: rows * columns, columns },
    groups: "elements",
    source: `
fn main() {
  if (at >= uniforms.count) { return; }
  result[at] = x[at] * inverse[at / uniforms.columns] * gamma[at % uniforms.columns];
}`,
  }, x.shape);
  return [y, inverse];
}

/** Gradient of RMS normalisation in its input. */
export function rmsNormGradKernel({ inputs, backend }: WebGpuKernelCall): tf.TensorInfo[] {
  const { x, gamma, inverse, dy } = inputs;
  const [rows, columns] = x.shape;
  return [runShader(backend, {
    key: "fk_rms_norm_grad",
    inputs: { x, gamma, inverse, dy },
    sizes: { rows, columns },
    groups: { perRow: rows },
    source: `${WORKGROUP_SUMS}
fn main() {
  let row = min(group, uniforms.rows - 1);
  let first = row * uniforms.columns;
  var sum = 0.0;
  for (var i = id; i < uniforms.columns; i += ${THREADS}) { sum += gamma[i] * dy[first + i] * x[first + i]; }
  let scale = inverse[row];
  let projection = total(sum) * scale * scale / f32(uniforms.columns);
  for (var i = id; i < uniforms.columns && group < uniforms.rows; i += ${THREADS}) {
    result[first + i] = scale * (gamma[i] * dy[first + i] - x[first + i] * projection);
  }
}`,
  }, x.shape)];
}

/** The logistic function; its argument is bounded, because WGSL promises nothing about infinities. */
const SIGMOID = `
fn sigmoid(value : f32) -> f32 { return 1.0 / (1.0 + exp(clamp(-value, -80.0, 80.0))); }`;

/** silu(gate) * up. */
export function swigluKernel({ inputs: { gate, up }, backend }: WebGpuKernelCall): tf.TensorInfo[] {
  return [runShader(backend, {
    key: "fk_swiglu",
    inputs: { gate, up },
    sizes: { count: sizeOf(gate.shape) },
    groups: "elements",
    source: `${SIGMOID}
fn main() {
  if (at >= uniforms.count) { return; }
  result[at] = gate[at] * sigmoid(gate[at]) * up[at];
}`,
  }, gate.shape)];
}

/** Gradients of {@link swigluKernel} in gate and up. */
export function swigluGradKernel({ inputs: { gate, up, dy }, backend }: WebGpuKernelCall): tf.TensorInfo[] {
  const sizes = { count: sizeOf(gate.shape) };
  const dGate = runShader(backend, {
    key: "fk_swiglu_grad_gate",
    inputs: { gate, up, dy },
    sizes,
    groups: "elements",
    source: `${SIGMOID}
fn main() {
  if (at >= uniforms.count) { return; }
  let open = sigmoid(gate[at]);
  result[at] = dy[at] * up[at] * open * (1.0 + gate[at] * (1.0 - open));
}`,
  }, gate.shape);
  const dUp = runShader(backend, {
    key: "fk_swiglu_grad_up",
    inputs: { gate, dy },
    sizes,
    groups: "elements",
    source: `${SIGMOID}
fn main() {
  if (at >= uniforms.count) { return; }
  result[at] = dy[at] * gate[at] * sigmoid(gate[at]);
}`,
  }, gate.shape);
  return [dGate, dUp];
}

/** Rotates every head of every token by sign times its position's angles. */
export function rotaryKernel({ inputs: { x, cos, sin }, attrs, backend }: WebGpuKernelCall): tf.TensorInfo[] {
  const [tokens, width] = x.shape;
  const [positions, half] = cos.shape;
  return [runShader(backend, {
    key: "fk_rotary",
    inputs: { x, cos, sin },
    sizes: { count: tokens * width, width, positions, halfHead: half },
    factors: { sign: attrs.sign as number },
    groups: "elements",
    source: `
fn main() {
  if (at >= uniforms.count) { return; }
  let within = at % uniforms.width % (2 * uniforms.halfHead);
  let angle = at / uniforms.width % uniforms.positions * uniforms.halfHead + within % uniforms.halfHead;
  let turned = uniforms.sign * sin[angle];
  if (within < uniforms.halfHead) {
    result[at] = x[at] * cos[angle] - x[at + uniforms.halfHead] * turned;
  } else {
    result[at] = x[at] * cos[angle] + x[at - uniforms.halfHead] * turned;
  }
}`,
  }, x.shape)];
}
