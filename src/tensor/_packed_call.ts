import type { tf } from "./_tf.ts";
import type { PackedMatrix } from "./packed_matrix.ts";
import type { WeightForm } from "./weight_form.ts";

/** What a kernel needs to know about a packed matrix besides its tensors. */
export interface PackedAttributes {
  readonly form: WeightForm;
  readonly rows: number;
  readonly columns: number;
  readonly partRows: number;
}

/** The attributes of a kernel call on a packed matrix. */
export function packedAttributes(
  { form, shape: [rows, columns], partRows }: PackedMatrix,
): Record<keyof PackedAttributes, string | number> {
  return { form, rows, columns, partRows };
}

/** The tensors of a packed matrix as named kernel inputs, `words0`, `scales0`, `words1` and so on. */
export function packedInputs({ parts }: PackedMatrix): Record<string, tf.Tensor> {
  const inputs: Record<string, tf.Tensor> = {};
  for (const [index, { words, scales }] of parts.entries()) {
    inputs[`words${index}`] = words;
    if (scales !== undefined) inputs[`scales${index}`] = scales;
  }
  return inputs;
}
