import { tf } from "./_tf.ts";

/** Names of the kernels that exist on the WASM backend only; other backends compose the same ops. */
export type OwnKernelName =
  | "FkRmsNorm"
  | "FkRmsNormGrad"
  | "FkSwiglu"
  | "FkSwigluGrad"
  | "FkRotary"
  | "FkAttention"
  | "FkAttentionGrad"
  | "FkLowRankLinear"
  | "FkLowRankLinearGrad"
  | "FkCrossEntropy"
  | "FkCrossEntropyGrad"
  | "FkAdamW"
  | "FkPackedMatMul"
  | "FkUnpackRows"
  | "FkSumOfSquares";

/** True when the active backend has our kernels. */
export function hasOwnKernels(): boolean {
  return tf.getBackend() === "wasm";
}

/** Runs one of our kernels on the active backend. */
export function runOwnKernel(
  name: OwnKernelName,
  inputs: Readonly<Record<string, tf.Tensor>>,
  attributes: Readonly<Record<string, number | boolean | string>> = {},
): tf.Tensor[] {
  const outputs = tf.engine().runKernel(name, { ...inputs }, { ...attributes }) as tf.Tensor | tf.Tensor[];
  return Array.isArray(outputs) ? outputs : [outputs];
}

/**
 * tfjs's `customGrad` for functions of tensors only, with the saved tensors typed. Everything that `backward` reads
 * must be in `saved`: other tensors may be freed when the forward pass ends.
 */
export function withGradient(
  forward: (inputs: readonly tf.Tensor[]) => { value: tf.Tensor; saved: readonly tf.Tensor[] },
  backward: (dy: tf.Tensor, saved: readonly tf.Tensor[]) => readonly tf.Tensor[],
): (...inputs: tf.Tensor[]) => tf.Tensor {
  return tf.customGrad((...args: unknown[]) => {
    const inputs = args.slice(0, -1) as tf.Tensor[];
    const save = args[args.length - 1] as tf.GradSaveFunc;
    const { value, saved } = forward(inputs);
    save([...saved]);
    return { value, gradFunc: (dy: tf.Tensor, kept: tf.Tensor[]) => [...backward(dy, kept)] };
  });
}
