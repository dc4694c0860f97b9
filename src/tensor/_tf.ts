import * as tfjs from "@tensorflow/tfjs";

// Production mode: no console banner, no per-op shape re-checks.
tfjs.enableProdMode();

/** The whole of TensorFlow.js 4.22 (`@tensorflow/tfjs`), with every backend's kernels registered on demand. */
export const tf: typeof tfjs = tfjs;

/**
 * The types of TensorFlow.js that this code base names, derived from its functions: so documentation tools see
 * one documented namespace and need not walk into the package.
 */
export declare namespace tf {
  /** An immutable n-dimensional array on the active backend. */
  export type Tensor = InstanceType<(typeof tfjs)["Tensor"]>;
  /** A tensor without axes. */
  export type Scalar = ReturnType<(typeof tfjs)["scalar"]>;
  /** A tensor of rank 1. */
  export type Tensor1D = ReturnType<(typeof tfjs)["tensor1d"]>;
  /** A tensor of rank 2. */
  export type Tensor2D = ReturnType<(typeof tfjs)["tensor2d"]>;
  /** A tensor of rank 3. */
  export type Tensor3D = ReturnType<(typeof tfjs)["tensor3d"]>;
  /** A tensor of rank 4. */
  export type Tensor4D = ReturnType<(typeof tfjs)["tensor4d"]>;
  /** A mutable, trainable tensor. */
  export type Variable = InstanceType<(typeof tfjs)["Variable"]>;
  /** Tensors by name. */
  export type NamedTensorMap = ReturnType<(typeof tfjs)["variableGrads"]>["grads"];
  /** The element types. */
  export type DataType = Tensor["dtype"];
  /** The key of a tensor's storage in its backend. */
  export type DataId = Tensor["dataId"];
  /** Anything that TensorFlow.js turns into a tensor. */
  export type TensorLike = Parameters<(typeof tfjs)["tensor"]>[0];
  /** The interface of a backend. */
  export type KernelBackend = ReturnType<(typeof tfjs)["backend"]>;
  /** The implementation of one op on one backend. */
  export type KernelFunc = ReturnType<(typeof tfjs)["getKernel"]>["kernelFunc"];
  /** What a kernel sees of a tensor. */
  export type TensorInfo = NonNullable<Parameters<KernelFunc>[0]["inputs"][string]>;
  /** Saves tensors from a forward pass for its gradient function. */
  export type GradSaveFunc = (save: Tensor[]) => void;
}
