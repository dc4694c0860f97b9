import type { tf } from "./_tf.ts";
import { assemble } from "./_wasm_assembler.ts";
import { elementwiseSources } from "./_wasm_elementwise_source.ts";
import { gemmSource } from "./_wasm_gemm_source.ts";
import { rowSources } from "./_wasm_row_source.ts";

/** The parts of tfjs's WASM backend that kernels use. */
export interface WasmBackend {
  /** Allocates an output tensor on the WASM heap, uninitialised. */
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  /** A view of a tensor on the heap; invalid after the next allocation, which may grow the heap. */
  typedArrayFromHeap(tensor: tf.TensorInfo): Float32Array | Int32Array | Uint8Array;
  /** Counts one more user of a tensor's memory. */
  incRef(dataId: tf.DataId): void;
  /** Frees a tensor. */
  disposeData(dataId: tf.DataId): boolean;
  /** Where tensors lie. */
  readonly dataIdMap: { get(dataId: tf.DataId): { readonly memoryOffset: number } };
  /** The Emscripten module. */
  readonly wasm: {
    readonly asm: { readonly memory: WebAssembly.Memory };
    _malloc(bytes: number): number;
    _free(pointer: number): void;
  };
}

/** Our own kernels by name, compiled against the backend's memory; arguments are byte addresses and counts. */
export type OwnKernels = Readonly<Record<string, (...numbers: number[]) => void>>;

/** Heap view of a float32 tensor. */
export function floats(backend: WasmBackend, tensor: tf.TensorInfo): Float32Array {
  return backend.typedArrayFromHeap(tensor) as Float32Array;
}

/** Byte address of a tensor. */
export function addressOf(backend: WasmBackend, tensor: tf.TensorInfo): number {
  return backend.dataIdMap.get(tensor.dataId).memoryOffset;
}

/** View of the whole heap as floats; invalid after the next allocation. */
export function heapFloats(backend: WasmBackend): Float32Array {
  return new Float32Array(backend.wasm.asm.memory.buffer);
}

/** Product of the lengths of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

const compiled = new WeakMap<WasmBackend, OwnKernels>();

/** Our kernels for a backend, compiled at first use. */
export function ownKernels(backend: WasmBackend): OwnKernels {
  const known = compiled.get(backend);
  if (known !== undefined) return known;
  const fused = WebAssembly.validate(assemble([gemmSource({ fused: true })]));
  const sources = [gemmSource({ fused }), ...elementwiseSources(), ...rowSources()];
  const module = new WebAssembly.Module(assemble(sources));
  const { exports } = new WebAssembly.Instance(module, { env: { memory: backend.wasm.asm.memory } });
  const kernels = exports as unknown as OwnKernels;
  compiled.set(backend, kernels);
  return kernels;
}

const scratchBlocks = new WeakMap<WasmBackend, Map<string, { pointer: number; bytes: number }>>();

/** A block of heap memory that lives as long as the backend and grows on demand; one block per purpose. */
export function scratch(backend: WasmBackend, purpose: string, bytes: number): number {
  const blocks = scratchBlocks.get(backend) ?? new Map();
  scratchBlocks.set(backend, blocks);
  const block = blocks.get(purpose);
  if (block !== undefined && block.bytes >= bytes) return block.pointer;
  if (block !== undefined) backend.wasm._free(block.pointer);
  const pointer = backend.wasm._malloc(bytes);
  blocks.set(purpose, { pointer, bytes });
  return pointer;
}
