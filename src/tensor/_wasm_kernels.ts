import type { OwnKernelName } from "./_own_kernels.ts";
import { tf } from "./_tf.ts";
import { attentionGradKernel, attentionKernel } from "./_wasm_attention_kernels.ts";
import { batchMatMul } from "./_wasm_batch_matmul.ts";
import { crossEntropyGradKernel, crossEntropyKernel } from "./_wasm_cross_entropy_kernels.ts";
import { elementwise } from "./_wasm_elementwise.ts";
import type { WasmBackend } from "./_wasm_heap.ts";
import { lowRankLinearGradKernel, lowRankLinearKernel } from "./_wasm_low_rank_kernels.ts";
import {
  adamwKernel,
  rmsNormGradKernel,
  rmsNormKernel,
  rotaryKernel,
  sumOfSquaresKernel,
  swigluGradKernel,
  swigluKernel,
} from "./_wasm_row_kernels.ts";
import { unsortedSegmentSum } from "./_wasm_segment_sum.ts";

let installed = false;

/** Replaces kernels of tfjs-backend-wasm 4.22.0 that are missing or slow, and adds our own. */
export function installWasmKernels(): void {
  if (installed) return;
  installed = true;
  replaceKernel("BatchMatMul", batchMatMul);
  replaceKernel("UnsortedSegmentSum", unsortedSegmentSum);
  replaceKernel("Identity", identity);
  replaceKernel("Add", elementwise("add", stockKernel("Add")));
  replaceKernel("Sub", elementwise("sub", stockKernel("Sub")));
  replaceKernel("Multiply", elementwise("mul", stockKernel("Multiply")));
  replaceKernel("RealDiv", elementwise("div", stockKernel("RealDiv")));
  addKernel("FkRmsNorm", rmsNormKernel);
  addKernel("FkRmsNormGrad", rmsNormGradKernel);
  addKernel("FkSwiglu", swigluKernel);
  addKernel("FkSwigluGrad", swigluGradKernel);
  addKernel("FkRotary", rotaryKernel);
  addKernel("FkAttention", attentionKernel);
  addKernel("FkAttentionGrad", attentionGradKernel);
  addKernel("FkLowRankLinear", lowRankLinearKernel);
  addKernel("FkLowRankLinearGrad", lowRankLinearGradKernel);
  addKernel("FkCrossEntropy", crossEntropyKernel);
  addKernel("FkCrossEntropyGrad", crossEntropyGradKernel);
  addKernel("FkAdamW", adamwKernel);
  addKernel("FkSumOfSquares", sumOfSquaresKernel);
}

/** Identity without the stock kernel's copy: tensors are immutable, so sharing memory is safe. */
function identity({ inputs, backend }: Parameters<tf.KernelFunc>[0]): tf.TensorInfo {
  const { dataId, shape, dtype } = inputs.x as tf.TensorInfo;
  (backend as WasmBackend).incRef(dataId);
  return { dataId, shape, dtype };
}

function stockKernel(name: string): tf.KernelFunc {
  return tf.getKernel(name, "wasm").kernelFunc;
}

function replaceKernel(kernelName: string, kernelFunc: tf.KernelFunc): void {
  if (tf.getKernel(kernelName, "wasm")) tf.unregisterKernel(kernelName, "wasm");
  tf.registerKernel({ kernelName, backendName: "wasm", kernelFunc });
}

/** Our kernels declare the inputs and attributes they read; tfjs's own signature is untyped. */
function addKernel<Call>(kernelName: OwnKernelName, kernel: (call: Call) => tf.TensorInfo[]): void {
  tf.registerKernel({ kernelName, backendName: "wasm", kernelFunc: kernel as unknown as tf.KernelFunc });
}
