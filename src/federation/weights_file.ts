import { encodeSafetensors, openSafetensors, readFloats } from "../formats/safetensors.ts";
import type { HostTensor, LocalWeights } from "../local/mod.ts";

/** Local-model weights as safetensors bytes, float32, with their stable names. */
export function encodeWeights(weights: LocalWeights): Uint8Array<ArrayBuffer> {
  return encodeSafetensors(
    new Map([...weights].map(([name, { shape, data }]) => [name, { dtype: "F32", shape, values: data }])),
    { format: "fedkim-local-weights/1" },
  );
}

/** Reads local-model weights. @throws FedKimError `FormatError` for a damaged file */
export async function readWeights(path: string): Promise<LocalWeights> {
  const archive = await openSafetensors(path);
  const weights = new Map<string, HostTensor>();
  for (const [name, tensor] of archive.tensors) {
    weights.set(name, { shape: [...tensor.shape], data: await readFloats(tensor) });
  }
  return weights;
}
