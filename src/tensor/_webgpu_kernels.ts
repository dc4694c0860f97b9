import type { OwnKernelName } from "./_own_kernels.ts";
import { tf } from "./_tf.ts";
import {
  frozenProductKernel,
  lowRankLinearGradKernel,
  lowRankLinearKernel,
} from "./_webgpu_frozen_kernels.ts";
import { sizeOf, type WebGpuBackend, type WebGpuKernelCall } from "./_webgpu_backend.ts";
import { denseOperand, runProduct } from "./_webgpu_matmul.ts";
import {
  attentionGradKernel,
  attentionKernel,
  attentionSoftmaxGradKernel,
  attentionSoftmaxKernel,
} from "./_webgpu_attention_kernels.ts";
import {
  rmsNormGradKernel,
  rmsNormKernel,
  rotaryKernel,
  swigluGradKernel,
  swigluKernel,
} from "./_webgpu_row_kernels.ts";
import { unpackRowsKernel } from "./_webgpu_unpack_rows.ts";

/** Name under which tfjs's own product stays at hand: for other types, and for benchmarks to measure ours against. */
const STOCK_MATMUL = "StockBatchMatMul";

let installed = false;

/** Replaces tfjs's matrix product on WebGPU and adds our own kernels. */
export function installWebGpuKernels(): void {
  if (installed) return;
  installed = true;
  const { kernelFunc } = tf.getKernel("BatchMatMul", "webgpu");
  tf.registerKernel({ kernelName: STOCK_MATMUL, backendName: "webgpu", kernelFunc });
  tf.unregisterKernel("BatchMatMul", "webgpu");
  tf.registerKernel({ kernelName: "BatchMatMul", backendName: "webgpu", kernelFunc: batchMatMul });
  const addN = tf.getKernel("AddN", "webgpu").kernelFunc;
  tf.unregisterKernel("AddN", "webgpu");
  tf.registerKernel({ kernelName: "AddN", backendName: "webgpu", kernelFunc: addInGroups(addN) });
  addKernel("FkPackedMatMul", frozenProductKernel);
  addKernel("FkUnpackRows", unpackRowsKernel);
  addKernel("FkRmsNorm", rmsNormKernel);
  addKernel("FkRmsNormGrad", rmsNormGradKernel);
  addKernel("FkSwiglu", swigluKernel);
  addKernel("FkSwigluGrad", swigluGradKernel);
  addKernel("FkRotary", rotaryKernel);
  addKernel("FkAttention", attentionKernel);
  addKernel("FkAttentionGrad", attentionGradKernel);
  addKernel("FkAttentionSoftmax", attentionSoftmaxKernel);
  addKernel("FkAttentionSoftmaxGrad", attentionSoftmaxGradKernel);
  addKernel("FkLowRankLinear", lowRankLinearKernel);
  addKernel("FkLowRankLinearGrad", lowRankLinearGradKernel);
}

function addKernel(kernelName: OwnKernelName, kernel: (call: WebGpuKernelCall) => tf.TensorInfo[]): void {
  tf.registerKernel({ kernelName, backendName: "webgpu", kernelFunc: kernel as unknown as tf.KernelFunc });
}

/** BatchMatMul on float32 through our tiled kernel; other types stay with tfjs. */
function batchMatMul(params: Parameters<tf.KernelFunc>[0]): tf.TensorInfo | tf.TensorInfo[] {
  const { inputs: { a, b }, attrs, backend } = params as unknown as WebGpuKernelCall;
  const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
  if (a.dtype !== "float32" || b.dtype !== "float32") {
    return tf.getKernel(STOCK_MATMUL, "webgpu").kernelFunc(params);
  }
  const [rowsA, columnsA] = a.shape.slice(-2);
  const [rowsB, columnsB] = b.shape.slice(-2);
  const batchA = sizeOf(a.shape.slice(0, -2));
  const batchB = sizeOf(b.shape.slice(0, -2));
  const outer = (batchA >= batchB ? a : b).shape.slice(0, -2);
  const [rows, depth] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const columns = transposeB ? rowsB : columnsB;
  const output = backend.makeTensorInfo([...outer, rows, columns], "float32");
  runProduct(backend, {
    a: denseOperand(a, columnsA, transposeA ? "outer" : "depth", batchA === 1 ? 0 : rowsA * columnsA),
    b: denseOperand(b, columnsB, transposeB ? "depth" : "outer", batchB === 1 ? 0 : rowsB * columnsB),
    batch: Math.max(batchA, batchB),
    rows,
    columns,
    depth,
    output,
    outColumns: columns,
    outColumn: 0,
    accumulate: false,
  });
  return output;
}

/** Tensors that one shader can add: eight storage bindings are all that every device has, one is the output. */
const ADDENDS = 7;

/** tfjs's AddN binds all tensors at once; this adds them in groups that every device can bind. */
function addInGroups(stock: tf.KernelFunc): tf.KernelFunc {
  return (params) => {
    const { inputs, backend } = params as unknown as { inputs: tf.TensorInfo[]; backend: WebGpuBackend };
    let sum: tf.TensorInfo | undefined;
    for (let first = 0; first < inputs.length;) {
      const count = sum === undefined ? ADDENDS : ADDENDS - 1;
      const group = [...(sum === undefined ? [] : [sum]), ...inputs.slice(first, first + count)];
      const next = stock({ ...params, inputs: group } as unknown as typeof params) as tf.TensorInfo;
      if (sum !== undefined) backend.disposeData(sum.dataId);
      sum = next;
      first += count;
    }
    return sum as tf.TensorInfo;
  };
}
