import type { tf } from "./_tf.ts";
import { floats, sizeOf, type WasmBackend } from "./_wasm_heap.ts";

/** What tfjs passes to a kernel. */
type KernelCall = Parameters<tf.KernelFunc>[0];

/** UnsortedSegmentSum, the gradient of `tf.gather` and so of every embedding: absent from the stock backend. */
export function unsortedSegmentSum({ inputs, attrs, backend }: KernelCall): tf.TensorInfo {
  const heap = backend as WasmBackend;
  const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
  const { numSegments } = attrs as unknown as { numSegments: number };
  const rows = sizeOf(segmentIds.shape);
  const width = sizeOf(x.shape.slice(segmentIds.shape.length));
  const output = heap.makeOutput([numSegments, ...x.shape.slice(segmentIds.shape.length)], x.dtype);
  const sums = floats(heap, output).fill(0);
  const values = floats(heap, x);
  const ids = heap.typedArrayFromHeap(segmentIds);
  for (let row = 0; row < rows; row++) {
    const segment = ids[row];
    if (segment < 0 || segment >= numSegments) continue;
    const to = segment * width;
    const from = row * width;
    for (let column = 0; column < width; column++) sums[to + column] += values[from + column];
  }
  return output;
}
