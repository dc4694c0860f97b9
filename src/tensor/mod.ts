/**
 * Tensors: one import of tfjs for the whole code base, the choice of the backend, and the pieces that tfjs lacks.
 *
 * - {@link selectBackend} activates webgpu, wasm or cpu and says why; GPU errors, tensors above the binding limit and a
 *   full WASM heap become exceptions. Kernels that tfjs lacks, or has slow or wrong, are replaced.
 * - Frozen weights: {@link linearWeight} and {@link tokenTable} give packed matrices on webgpu (float16, bfloat16, int8,
 *   int4, unpacked in the shader) and float32 tensors elsewhere; {@link linear}, {@link tableScores} and
 *   {@link gatherRows} compute with both.
 * - {@link rmsNorm}, {@link swiglu}, {@link rotary}, {@link causalAttention}, {@link lowRankLinear} and
 *   {@link crossEntropy} are the decoder's building blocks; {@link recomputed} trades time for memory.
 * - {@link accurateSum} and {@link globalNorm} avoid naive float32 sums; {@link readFloat32} and {@link readScalar}
 *   bring results back on every backend; {@link TensorScope} owns tensors across `await`.
 * - {@link deviceMemory} and {@link tensorMemory} tell what a device offers and what tensors take.
 *
 * @module
 */
export { tf } from "./_tf.ts";
export { type BackendInfo, type BackendName, type BackendPreference, selectBackend } from "./backend.ts";
export { mayHaveHardwareGpu } from "./_gpu_adapter.ts";
export { readFloat32, readScalar } from "./read.ts";
export { accurateSum, globalNorm } from "./sums.ts";
export {
  glorotUniform,
  heNormal,
  normalInit,
  normalValues,
  type RandomSource,
  uniformValues,
} from "./init.ts";
export { type Disposable, disposeAll, TensorScope } from "./scope.ts";
export { recomputed } from "./recompute.ts";
export { rmsNorm } from "./rms_norm.ts";
export { swiglu } from "./swiglu.ts";
export { rotary, type RotaryTable } from "./rotary.ts";
export { type AttentionLayout, causalAttention } from "./causal_attention.ts";
export { lowRankLinear, type LowRankUpdate } from "./low_rank_linear.ts";
export { AdamW, type AdamWOptions, type AdamWState, clipFactor, warmupCosine } from "./adamw.ts";
export { crossEntropy } from "./cross_entropy.ts";
export { packedBytes, WEIGHT_FORMS, type WeightForm } from "./weight_form.ts";
export {
  type DeviceMemory,
  deviceMemory,
  resetTensorMemory,
  type TensorMemory,
  tensorMemory,
} from "./device_memory.ts";
export { PackedMatrix, type PackedPart } from "./packed_matrix.ts";
export {
  denseWeight,
  gatherRows,
  linear,
  type LinearWeight,
  linearWeight,
  readLinearWeight,
  readTable,
  tableMeanSquare,
  tableScores,
  type TokenTable,
  tokenTable,
} from "./frozen_matrix.ts";
