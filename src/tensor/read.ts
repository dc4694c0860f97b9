import { FedKimError } from "../formats/errors.ts";
import { throwDeviceError } from "./_device_errors.ts";
import type { tf } from "./_tf.ts";

/**
 * Copies a tensor's values to the host, on every backend (`dataSync` fails on WebGPU).
 *
 * @param tensor any float32 tensor; it is not disposed
 * @returns its values in row-major order
 * @throws FedKimError `BackendError` when the GPU reported an error, or the tensor is not float32
 */
export async function readFloat32(tensor: tf.Tensor): Promise<Float32Array> {
  const values = await tensor.data();
  throwDeviceError();
  if (values instanceof Float32Array) return values;
  throw new FedKimError("BackendError", "A float32 tensor was expected.", { found: tensor.dtype });
}

/**
 * The value of a scalar tensor.
 *
 * @param tensor a tensor of one element; it is not disposed
 * @returns its value
 * @throws FedKimError `BackendError` when the GPU reported an error
 */
export async function readScalar(tensor: tf.Tensor): Promise<number> {
  const values = await tensor.data();
  throwDeviceError();
  return Number(values[0]);
}
