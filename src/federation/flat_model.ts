import { FedKimError } from "../formats/errors.ts";

/** Federated parameters as little-endian float32 bytes, the form that travels and is hashed. */
export function encodeFlat(flat: Float64Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(flat.length * 4));
  for (let i = 0; i < flat.length; i++) view.setFloat32(4 * i, flat[i], true);
  return new Uint8Array(view.buffer);
}

/** Reads {@link encodeFlat}'s bytes. @throws FedKimError `ModelError` on a wrong length or a non-finite value */
export function decodeFlat(bytes: Uint8Array, dimension: number): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flat = new Float64Array(Math.floor(bytes.length / 4));
  // A plain loop: every site does this at every step, and `from` with a callback takes ten times as long.
  let finite = bytes.length === dimension * 4;
  for (let i = 0; i < flat.length; i++) {
    const value = view.getFloat32(4 * i, true);
    flat[i] = value;
    if (!Number.isFinite(value)) finite = false;
  }
  if (!finite) {
    throw new FedKimError("ModelError", "The model of this step is damaged.", {
      found: `${bytes.length} bytes`,
      needed: `${dimension} finite float32 values`,
    });
  }
  return flat;
}
