import type { tf } from "./_tf.ts";
import { MASKED_SCORE } from "./causal_attention.ts";
import { gemm, type MatrixView, transposedView } from "./_wasm_gemm.ts";
import {
  addressOf,
  floats,
  heapFloats,
  ownKernels,
  scratch,
  sizeOf,
  type WasmBackend,
} from "./_wasm_heap.ts";
import type { KernelCall } from "./_wasm_row_kernels.ts";

/** Sizes of one call, and views of single heads in the `[B*T, heads*headDim]` layout. */
interface Geometry {
  readonly batch: number;
  readonly heads: number;
  readonly group: number;
  readonly queries: number;
  readonly keys: number;
  /** Keys rounded up to whole vectors: the width of a row of scores. */
  readonly width: number;
  readonly headDim: number;
  readonly query: (tensor: tf.TensorInfo, entry: number, head: number) => MatrixView;
  readonly key: (tensor: tf.TensorInfo, entry: number, head: number) => MatrixView;
  readonly scores: (address: number, entry: number, head: number) => MatrixView;
}

type Sizes = "batch" | "heads" | "kvHeads";

/** Causal attention; also gives the probabilities, `[B, heads, Tq, width]`. */
export function attentionKernel(
  { inputs, attrs, backend }: KernelCall<"q" | "k" | "v" | "keyMask", Sizes>,
): tf.TensorInfo[] {
  const { q, k, v, keyMask } = inputs;
  const g = geometry(backend, q, k, attrs);
  const output = backend.makeOutput(q.shape, "float32");
  const probabilities = backend.makeOutput([g.batch, g.heads, g.queries, g.width], "float32");
  floats(backend, probabilities).fill(0);
  const mask = scratch(backend, "attention.mask", g.queries * g.width * 4);
  const kernel = ownKernels(backend).softmax_forward;
  for (let entry = 0; entry < g.batch; entry++) {
    if (entry === 0 || keyMask !== undefined) fillMask(backend, mask, g, keyMask, entry);
    for (let head = 0; head < g.heads; head++) {
      const scores = g.scores(addressOf(backend, probabilities), entry, head);
      const size = { rows: g.queries, depth: g.headDim, columns: g.keys };
      gemm(backend, size, g.query(q, entry, head), transposedView(g.key(k, entry, head)), scores);
      kernel(scores.address, mask, g.queries, 4 * g.width, 1 / Math.sqrt(g.headDim));
      const context = { rows: g.queries, depth: g.keys, columns: g.headDim };
      gemm(backend, context, scores, g.key(v, entry, head), g.query(output, entry, head));
    }
  }
  return [output, probabilities];
}

/** Gradients of {@link attentionKernel} in q, k and v. */
export function attentionGradKernel(
  { inputs, attrs, backend }: KernelCall<"q" | "k" | "v" | "probabilities" | "dy", Sizes>,
): tf.TensorInfo[] {
  const { q, k, v, probabilities, dy } = inputs;
  const g = geometry(backend, q, k, attrs);
  const outputs = [q, k, v].map(({ shape }) => backend.makeOutput(shape, "float32"));
  const [dq, dk, dv] = outputs;
  const dScores = backend.makeOutput([g.queries, g.width], "float32");
  floats(backend, dScores).fill(0);
  const dS: MatrixView = { address: addressOf(backend, dScores), row: 4 * g.width, column: 4 };
  const kernel = ownKernels(backend).softmax_backward;
  for (let entry = 0; entry < g.batch; entry++) {
    for (let head = 0; head < g.heads; head++) {
      // Query heads of one group add up in their shared key and value head.
      const shared = head % g.group !== 0;
      const p = g.scores(addressOf(backend, probabilities), entry, head);
      const dContext = g.query(dy, entry, head);
      const intoKeys = { rows: g.keys, depth: g.queries, columns: g.headDim };
      gemm(backend, intoKeys, transposedView(p), dContext, g.key(dv, entry, head), shared);
      const intoScores = { rows: g.queries, depth: g.headDim, columns: g.keys };
      gemm(backend, intoScores, dContext, transposedView(g.key(v, entry, head)), dS);
      kernel(p.address, dS.address, g.queries, 4 * g.width, 1 / Math.sqrt(g.headDim));
      const intoQueries = { rows: g.queries, depth: g.keys, columns: g.headDim };
      gemm(backend, intoQueries, dS, g.key(k, entry, head), g.query(dq, entry, head));
      gemm(backend, intoKeys, transposedView(dS), g.query(q, entry, head), g.key(dk, entry, head), shared);
    }
  }
  backend.disposeData(dScores.dataId);
  return outputs;
}

function geometry(
  backend: WasmBackend,
  q: tf.TensorInfo,
  k: tf.TensorInfo,
  { batch, heads, kvHeads }: Readonly<Record<Sizes, number>>,
): Geometry {
  const group = heads / kvHeads;
  const headDim = q.shape[1] / heads;
  const queries = q.shape[0] / batch;
  const keys = k.shape[0] / batch;
  const width = Math.ceil(keys / 4) * 4;
  const view = (tensor: tf.TensorInfo, length: number, entry: number, head: number): MatrixView => {
    const row = 4 * sizeOf(tensor.shape.slice(1));
    return {
      address: addressOf(backend, tensor) + entry * length * row + 4 * head * headDim,
      row,
      column: 4,
    };
  };
  return {
    batch,
    heads,
    group,
    queries,
    keys,
    width,
    headDim,
    query: (tensor, entry, head) => view(tensor, queries, entry, head),
    key: (tensor, entry, head) => view(tensor, keys, entry, Math.floor(head / group)),
    scores: (address, entry, head) => ({
      address: address + 4 * (entry * heads + head) * queries * width,
      row: 4 * width,
      column: 4,
    }),
  };
}

/** Additive mask `[Tq, width]` of one batch entry: the future, padding and the fill-up columns vanish. */
function fillMask(
  backend: WasmBackend,
  address: number,
  { queries, keys, width }: Geometry,
  keyMask: tf.TensorInfo | undefined,
  entry: number,
): void {
  const heap = heapFloats(backend);
  const allowed = keyMask === undefined ? undefined : floats(backend, keyMask);
  for (let i = 0; i < queries; i++) {
    for (let j = 0; j < width; j++) {
      const seen = j <= keys - queries + i && (allowed === undefined || allowed[entry * keys + j] !== 0);
      // Fill-up columns hold no key: they must lose even against a row that is masked throughout.
      heap[address / 4 + i * width + j] = j >= keys ? 2 * MASKED_SCORE : seen ? 0 : MASKED_SCORE;
    }
  }
}
