import type { tf } from "./_tf.ts";
import { addressOf, floats, ownKernels, sizeOf, type WasmBackend } from "./_wasm_heap.ts";

/** What a kernel of ours receives. */
export interface KernelCall<Inputs extends string, Attributes extends string = never> {
  readonly inputs: Readonly<Record<Inputs, tf.TensorInfo>>;
  readonly attrs: Readonly<Record<Attributes, number>>;
  readonly backend: WasmBackend;
}

/** RMS normalisation of `[N, C]`; also gives 1 / rms, `[N, 1]`. */
export function rmsNormKernel(
  { inputs, attrs, backend }: KernelCall<"x" | "gamma", "epsilon">,
): tf.TensorInfo[] {
  const { x, gamma } = inputs;
  const [rows, columns] = x.shape;
  const y = backend.makeOutput(x.shape, "float32");
  const inverse = backend.makeOutput([rows, 1], "float32");
  const [atX, atGamma, atY, atInverse] = [x, gamma, y, inverse].map((tensor) => addressOf(backend, tensor));
  ownKernels(backend).rms_norm_forward(atX, atGamma, atY, atInverse, rows, 4 * columns, attrs.epsilon);
  return [y, inverse];
}

/** Gradient of RMS normalisation in its input. */
export function rmsNormGradKernel(
  { inputs, backend }: KernelCall<"x" | "gamma" | "inverse" | "dy">,
): tf.TensorInfo[] {
  const { x, gamma, inverse, dy } = inputs;
  const [rows, columns] = x.shape;
  const dx = backend.makeOutput(x.shape, "float32");
  const [atX, atGamma, atInverse, atDy, atDx] = [x, gamma, inverse, dy, dx].map((t) => addressOf(backend, t));
  ownKernels(backend).rms_norm_backward(atX, atGamma, atInverse, atDy, atDx, rows, 4 * columns);
  return [dx];
}

/** silu(gate) * up. */
export function swigluKernel({ inputs, backend }: KernelCall<"gate" | "up">): tf.TensorInfo[] {
  const { gate, up } = inputs;
  const y = backend.makeOutput(gate.shape, "float32");
  const [atGate, atUp, atY] = [gate, up, y].map((tensor) => addressOf(backend, tensor));
  ownKernels(backend).swiglu_forward(atGate, atUp, atY, 4 * sizeOf(gate.shape));
  return [y];
}

/** Gradients of {@link swigluKernel} in gate and up. */
export function swigluGradKernel({ inputs, backend }: KernelCall<"gate" | "up" | "dy">): tf.TensorInfo[] {
  const { gate, up, dy } = inputs;
  const dGate = backend.makeOutput(gate.shape, "float32");
  const dUp = backend.makeOutput(gate.shape, "float32");
  const [atGate, atUp, atDy, atDGate, atDUp] = [gate, up, dy, dGate, dUp].map((t) => addressOf(backend, t));
  ownKernels(backend).swiglu_backward(atGate, atUp, atDy, atDGate, atDUp, 4 * sizeOf(gate.shape));
  return [dGate, dUp];
}

/** Rotates every head of every token by sign times its position's angles. */
export function rotaryKernel(
  { inputs, attrs, backend }: KernelCall<"x" | "cos" | "sin", "heads" | "sign">,
): tf.TensorInfo[] {
  const { x, cos, sin } = inputs;
  const [tokens, width] = x.shape;
  const [positions, half] = cos.shape;
  const y = backend.makeOutput(x.shape, "float32");
  const [atX, atCos, atSin, atY] = [x, cos, sin, y].map((tensor) => addressOf(backend, tensor));
  const { rotate } = ownKernels(backend);
  for (let token = 0; token < tokens; token++) {
    const table = (token % positions) * half * 4;
    const at = token * width * 4;
    rotate(atX + at, atY + at, atCos + table, atSin + table, attrs.heads, half * 4, attrs.sign);
  }
  return [y];
}

/** One AdamW update; gives the new variable and moments. */
export function adamwKernel(
  { inputs, attrs, backend }: KernelCall<
    "variable" | "first" | "second" | "gradient" | "factor",
    "beta1" | "beta2" | "epsilon" | "rate" | "correction2" | "kept"
  >,
): tf.TensorInfo[] {
  const { variable, first, second, gradient, factor } = inputs;
  const outputs = [0, 1, 2].map(() => backend.makeOutput(variable.shape, "float32"));
  const scale = floats(backend, factor)[0];
  const addresses = [variable, gradient, first, second, ...outputs].map((tensor) =>
    addressOf(backend, tensor)
  );
  const { beta1, beta2, epsilon, rate, correction2, kept } = attrs;
  const size = sizeOf(variable.shape);
  const whole = size & ~3;
  ownKernels(backend).adamw(
    ...addresses,
    4 * whole,
    ...[scale, beta1, beta2, rate, correction2, epsilon, kept],
  );
  const [w, g, m, v, w2, m2, v2] = [variable, gradient, first, second, ...outputs].map((t) =>
    floats(backend, t)
  );
  for (let i = whole; i < size; i++) {
    const scaled = g[i] * scale;
    m2[i] = beta1 * m[i] + (1 - beta1) * scaled;
    v2[i] = beta2 * v[i] + (1 - beta2) * scaled * scaled;
    w2[i] = kept * w[i] - rate * m2[i] / (Math.sqrt(v2[i] / correction2) + epsilon);
  }
  return outputs;
}

/** Sum of squares, accumulated in float64. */
export function sumOfSquaresKernel({ inputs, backend }: KernelCall<"x">): tf.TensorInfo[] {
  const output = backend.makeOutput([], "float32");
  let sum = 0;
  const values = floats(backend, inputs.x);
  // An index loop: iterating a typed array is ten times slower.
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  floats(backend, output)[0] = sum;
  return [output];
}
