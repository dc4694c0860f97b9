/**
 * Tensors: one import of tfjs for the whole code base, the choice of the backend, and the pieces that tfjs lacks.
 *
 * - {@link selectBackend} activates webgpu, wasm or cpu and says why; GPU errors become exceptions.
 * - On wasm, kernels that are missing or slow are replaced: batched and transposed matrix products and the
 *   gradient of gather.
 * - {@link accurateSum} and {@link globalNorm} avoid the naive float32 accumulation of the WASM backend.
 * - {@link readFloat32} and {@link readScalar} bring results back on every backend.
 * - Seeded initialisers take a `SeededRandom`; nothing here draws from an unseeded source.
 * - {@link rmsNorm}, {@link swiglu}, {@link rotary}, {@link causalAttention}, {@link lowRankLinear} and
 *   {@link crossEntropy} are the decoder's building blocks, fused on wasm.
 * - {@link TensorScope} owns tensors across `await`.
 *
 * @module
 */
export { tf } from "./_tf.ts";
export { type BackendInfo, type BackendName, type BackendPreference, selectBackend } from "./backend.ts";
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
export { rmsNorm } from "./rms_norm.ts";
export { swiglu } from "./swiglu.ts";
export { rotary, type RotaryTable } from "./rotary.ts";
export { type AttentionLayout, causalAttention } from "./causal_attention.ts";
export { lowRankLinear, type LowRankUpdate } from "./low_rank_linear.ts";
export { AdamW, type AdamWOptions, clipFactor, warmupCosine } from "./adamw.ts";
export { crossEntropy } from "./cross_entropy.ts";
