import type { tf } from "./_tf.ts";
import { type Broadcast, elementwiseName } from "./_wasm_elementwise_source.ts";
import { addressOf, ownKernels, sizeOf, type WasmBackend } from "./_wasm_heap.ts";

/** Runs shorter than this are left to the stock kernel: the call would cost more than the work. */
const SHORTEST_RUN = 8;

/** How a broadcast splits into runs: `runs` runs of `length` elements, with the step of each operand per run. */
interface RunPlan {
  readonly runs: number;
  readonly length: number;
  readonly stepA: number;
  readonly stepB: number;
  readonly broadcast: Broadcast;
}

/**
 * SIMD kernels for Add, Sub, Multiply and RealDiv on float32, about ten times faster than the stock ones: equal
 * shapes, one scalar operand, a row repeated over leading axes (biases), or a column repeated over the last axis
 * (normalisation). Everything else goes to the stock kernel.
 */
export function elementwise(operation: "add" | "sub" | "mul" | "div", stock: tf.KernelFunc): tf.KernelFunc {
  return (params) => {
    const { a, b } = params.inputs as unknown as { a: tf.TensorInfo; b: tf.TensorInfo };
    const plan = a.dtype === "float32" && b.dtype === "float32" ? planRuns(a.shape, b.shape) : undefined;
    if (plan === undefined) return stock(params);
    const backend = params.backend as WasmBackend;
    const output = backend.makeOutput(
      a.shape.length >= b.shape.length && sizeOf(a.shape) >= sizeOf(b.shape) ? a.shape : b.shape,
      "float32",
    );
    const kernel = ownKernels(backend)[elementwiseName(operation, plan.broadcast)];
    let [atA, atB, atC] = [addressOf(backend, a), addressOf(backend, b), addressOf(backend, output)];
    for (let run = 0; run < plan.runs; run++) {
      kernel(atA, atB, atC, plan.length);
      atA += 4 * plan.stepA;
      atB += 4 * plan.stepB;
      atC += 4 * plan.length;
    }
    return output;
  };
}

/** How to compute one shape combination, or undefined when the stock kernel must. */
export function planRuns(a: readonly number[], b: readonly number[]): RunPlan | undefined {
  const sizeA = sizeOf(a);
  const sizeB = sizeOf(b);
  if (sizeA === 0 || sizeB === 0) return undefined;
  if (a.length === b.length && a.every((length, axis) => length === b[axis])) {
    return { runs: 1, length: sizeA, stepA: 0, stepB: 0, broadcast: "none" };
  }
  if (a.length >= b.length && sizeA >= sizeB) {
    const runs = broadcastRuns(a, b);
    return runs &&
      { ...runs, stepA: runs.length, stepB: runs.step, broadcast: runs.single ? "right" : "none" };
  }
  if (b.length >= a.length && sizeB >= sizeA) {
    const runs = broadcastRuns(b, a);
    return runs &&
      { ...runs, stepA: runs.step, stepB: runs.length, broadcast: runs.single ? "left" : "none" };
  }
  return undefined;
}

/** Runs for a small operand that is repeated over the axes of a large one. */
function broadcastRuns(
  large: readonly number[],
  small: readonly number[],
): { runs: number; length: number; step: number; single: boolean } | undefined {
  const size = sizeOf(large);
  const padded = [...Array<number>(large.length - small.length).fill(1), ...small];
  if (padded.some((length, axis) => length !== 1 && length !== large[axis])) return undefined;
  if (sizeOf(small) === 1) return { runs: 1, length: size, step: 0, single: true };
  const firstUsed = padded.findIndex((length) => length !== 1);
  if (padded.slice(firstUsed).every((length, i) => length === large[firstUsed + i])) {
    const length = sizeOf(small);
    return length < SHORTEST_RUN ? undefined : { runs: size / length, length, step: 0, single: false };
  }
  const lastUsed = padded.findLastIndex((length) => length !== 1);
  if (padded.slice(0, lastUsed + 1).every((length, axis) => length === large[axis])) {
    const runs = sizeOf(small);
    const length = size / runs;
    return length < SHORTEST_RUN ? undefined : { runs, length, step: 1, single: true };
  }
  return undefined;
}
