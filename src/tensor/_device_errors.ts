import { FedKimError } from "../formats/errors.ts";
import type { tf } from "./_tf.ts";

/** tfjs's WebGPU backend, as far as it is needed here. */
interface DeviceOwner {
  readonly device?: EventTarget;
}

const watched = new WeakSet<EventTarget>();
let firstError: string | undefined;

/**
 * Remembers errors that WebGPU reports outside any call (a tensor above the binding limit, a lost device):
 * without this they would turn results into silent zeros.
 */
export function watchDevice(backend: tf.KernelBackend): void {
  const device = (backend as unknown as DeviceOwner).device;
  if (device === undefined || watched.has(device)) return;
  watched.add(device);
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    firstError ??= (event as Event & { readonly error?: { readonly message?: string } }).error?.message ??
      "the device reported an error without a message";
  });
}

/** Throws the first error that the GPU reported since the last call, and forgets it. */
export function throwDeviceError(): void {
  if (firstError === undefined) return;
  const found = firstError;
  firstError = undefined;
  throw new FedKimError("BackendError", "The GPU rejected a computation; its results are not valid.", {
    found,
    remedy: "use a smaller model or batch, or --backend wasm",
  });
}
