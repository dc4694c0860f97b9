import { FedKimError } from "../formats/errors.ts";
import { tf } from "./_tf.ts";

/** A compute shader as tfjs's WebGPU backend runs it; names and meaning are tfjs's. */
export interface ShaderProgram {
  readonly outputShape: number[];
  readonly shaderKey: string;
  readonly dispatchLayout: { readonly x: number[]; readonly y: number[]; readonly z: number[] };
  readonly dispatch: readonly [number, number, number];
  readonly workgroupSize: readonly [number, number, number];
  readonly variableNames: readonly string[];
  readonly variableComponents: readonly number[];
  readonly uniforms: string;
  getUserCode(): string;
}

/** One uniform of a shader. */
export interface ShaderUniform {
  readonly type: "int32" | "float32";
  readonly data: readonly number[];
}

/** The pool that tfjs takes GPU buffers from. */
export interface BufferPool {
  acquireBuffer(size: number, usage: number, mappedAtCreation?: boolean, reuse?: boolean): unknown;
  readonly freeBuffers: Map<string, { readonly size: number; destroy(): void }[]>;
  numFreeBuffers: number;
  numBytesUsed: number;
  numBytesAllocated: number;
}

/** The parts of tfjs's WebGPU backend that are used here. */
export interface WebGpuBackend {
  makeTensorInfo(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  runWebGPUProgram(
    program: ShaderProgram,
    inputs: tf.TensorInfo[],
    dtype: tf.DataType,
    uniforms: ShaderUniform[],
    output: tf.TensorInfo,
  ): tf.TensorInfo;
  uploadToGPU(dataId: tf.DataId): void;
  disposeData(dataId: tf.DataId): boolean;
  readonly queue: { submit(buffers: never[]): void; onSubmittedWorkDone(): Promise<undefined> };
  readonly device: EventTarget & {
    readonly limits: {
      readonly maxStorageBufferBindingSize: number;
      readonly maxBufferSize: number;
      readonly maxComputeWorkgroupStorageSize: number;
      readonly maxComputeWorkgroupsPerDimension: number;
    };
  };
  readonly bufferManager: BufferPool;
}

/** What tfjs passes to a WebGPU kernel of ours. */
export interface WebGpuKernelCall {
  readonly inputs: Readonly<Record<string, tf.TensorInfo>>;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly backend: WebGpuBackend;
}

/** Product of the lengths of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** The same data as a vector, for shaders that index it themselves. */
export function flat({ dataId, shape, dtype }: tf.TensorInfo): tf.TensorInfo {
  return { dataId, dtype, shape: [sizeOf(shape)] };
}

/** The active backend as WebGPU, or undefined on other backends. */
export function activeWebGpu(): WebGpuBackend | undefined {
  return tf.getBackend() === "webgpu" ? tf.backend() as unknown as WebGpuBackend : undefined;
}

/**
 * Moves a tensor's values to the GPU now, so that they do not wait in host memory for their first use.
 */
export function uploadNow(backend: WebGpuBackend, tensor: tf.Tensor): void {
  backend.uploadToGPU(tensor.dataId);
  // An empty submission lets the driver drop its staging copy.
  backend.queue.submit([]);
}

/** Largest tensor that one shader binding can hold, in bytes. */
export function bindingLimit(backend: WebGpuBackend): number {
  const { maxStorageBufferBindingSize, maxBufferSize } = backend.device.limits;
  return Math.min(maxStorageBufferBindingSize, maxBufferSize);
}

/** The error for a tensor that no binding can hold. */
export function tooLarge(bytes: number, limit: number): FedKimError {
  return new FedKimError("BackendError", "A tensor is too large for this GPU's bindings.", {
    found: `${bytes} bytes`,
    needed: `at most ${limit} bytes per tensor`,
    remedy: "use a smaller batch or shorter sequences, or --backend wasm",
    reason: "tensor_too_large",
  });
}
