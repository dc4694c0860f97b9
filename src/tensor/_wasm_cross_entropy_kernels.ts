import type { tf } from "./_tf.ts";
import { addressOf, floats, heapFloats, ownKernels, scratch, type WasmBackend } from "./_wasm_heap.ts";
import type { KernelCall } from "./_wasm_row_kernels.ts";

/** Below this probability the logarithm is taken from the logits instead, where nothing underflows. */
const SMALL = 1e-30;

/** Mean of -log softmax(logits)[label]; also gives the probabilities, `[N, V]`. */
export function crossEntropyKernel({ inputs, backend }: KernelCall<"logits" | "labels">): tf.TensorInfo[] {
  const { logits, labels } = inputs;
  const [rows, columns] = logits.shape;
  const loss = backend.makeOutput([], "float32");
  const probabilities = backend.makeOutput(logits.shape, "float32");
  const mask = scratch(backend, "crossEntropy.mask", 4 * columns);
  heapFloats(backend).fill(0, mask / 4, mask / 4 + columns);
  const values = floats(backend, probabilities);
  values.set(floats(backend, logits));
  const start = addressOf(backend, probabilities);
  for (let row = 0; row < rows; row++) {
    ownKernels(backend).softmax_forward(start + 4 * row * columns, mask, 1, 4 * columns, 1);
  }
  const targets = labelsOf(backend, labels);
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const p = values[row * columns + targets[row]];
    sum -= p > SMALL
      ? Math.log(p)
      : logSoftmax(floats(backend, logits), row * columns, columns, targets[row]);
  }
  floats(backend, loss)[0] = sum / rows;
  return [loss, probabilities];
}

/** Gradient of {@link crossEntropyKernel} in the logits: dy (p - onehot) / N. */
export function crossEntropyGradKernel(
  { inputs, backend }: KernelCall<"probabilities" | "labels" | "dy">,
): tf.TensorInfo[] {
  const { probabilities, labels, dy } = inputs;
  const [rows, columns] = probabilities.shape;
  const output = backend.makeOutput(probabilities.shape, "float32");
  const factor = scratch(backend, "crossEntropy.factor", 4);
  const scale = floats(backend, dy)[0] / rows;
  heapFloats(backend)[factor / 4] = scale;
  const size = rows * columns;
  ownKernels(backend).mul_right(addressOf(backend, probabilities), factor, addressOf(backend, output), size);
  const gradient = floats(backend, output);
  labelsOf(backend, labels).forEach((label, row) => gradient[row * columns + label] -= scale);
  return [output];
}

function labelsOf(backend: WasmBackend, labels: tf.TensorInfo): Int32Array {
  return backend.typedArrayFromHeap(labels) as Int32Array;
}

function logSoftmax(logits: Float32Array, start: number, columns: number, label: number): number {
  let top = -Infinity;
  for (let j = 0; j < columns; j++) top = Math.max(top, logits[start + j]);
  let sum = 0;
  for (let j = 0; j < columns; j++) sum += Math.exp(logits[start + j] - top);
  return logits[start + label] - top - Math.log(sum);
}
