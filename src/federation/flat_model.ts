import { FedKimError } from "../formats/errors.ts";

/** Federated parameters as little-endian float32 bytes, the form that travels and is hashed. */
export function encodeFlat(flat: Float64Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(flat.length * 4));
  flat.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return new Uint8Array(view.buffer);
}

/** Reads {@link encodeFlat}'s bytes. @throws FedKimError `ModelError` on a wrong length or a non-finite value */
export function decodeFlat(bytes: Uint8Array, dimension: number): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flat = Float64Array.from(
    { length: Math.floor(bytes.length / 4) },
    (_, i) => view.getFloat32(4 * i, true),
  );
  if (bytes.length !== dimension * 4 || !flat.every(Number.isFinite)) {
    throw new FedKimError("ModelError", "The model of this step is damaged.", {
      found: `${bytes.length} bytes`,
      needed: `${dimension} finite float32 values`,
    });
  }
  return flat;
}
