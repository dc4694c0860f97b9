import { tf } from "./_tf.ts";

/** Names of our kernels; a backend that has not registered one composes the same ops. */
export type OwnKernelName =
  | "FkRmsNorm"
  | "FkRmsNormGrad"
  | "FkSwiglu"
  | "FkSwigluGrad"
  | "FkRotary"
  | "FkAttention"
  | "FkAttentionGrad"
  | "FkAttentionSoftmax"
  | "FkAttentionSoftmaxGrad"
  | "FkLowRankLinear"
  | "FkLowRankLinearGrad"
  | "FkCrossEntropy"
  | "FkCrossEntropyGrad"
  | "FkAdamW"
  | "FkPackedMatMul"
  | "FkUnpackRows"
  | "FkSumOfSquares";

/**
 * True when the active backend has a kernel of ours for this call.
 *
 * @param name the kernel
 * @param quads whether the call's rows are whole vectors of four, which is all that WASM's kernels take
 */
export function hasOwnKernel(name: OwnKernelName, quads: boolean = true): boolean {
  const backend = tf.getBackend();
  return (quads || backend !== "wasm") && tf.getKernel(name, backend) != null;
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
