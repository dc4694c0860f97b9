import { FedKimError } from "../formats/errors.ts";
import { readFloat32 } from "./read.ts";
import { activeWebGpu } from "./_webgpu_backend.ts";
import { runOwnKernel, withGradient } from "./_own_kernels.ts";
import { packedAttributes, packedInputs } from "./_packed_call.ts";
import { PackedMatrix } from "./packed_matrix.ts";
import { tf } from "./_tf.ts";
import { decodeRows, encodeRows, type WeightForm } from "./weight_form.ts";

/**
 * The weight of a frozen linear layer, y = x W + b: a tensor `[in, out]`, or on WebGPU a packed matrix in the
 * checkpoint's layout `[out, in]`.
 */
export type LinearWeight = tf.Tensor2D | PackedMatrix;

/** A token table, embedding or output head: a tensor `[V, H]`, or on WebGPU a packed matrix `[V, H]`. */
export type TokenTable = tf.Tensor2D | PackedMatrix;

/**
 * Puts a frozen linear weight on the active backend: packed on WebGPU, elsewhere a float32 tensor with the values
 * that the form keeps.
 *
 * @param values `[out, in]`, the checkpoint's layout
 * @param shape `[in, out]`
 * @param form how to store the weights
 * @returns the weight; the caller disposes it
 * @throws FedKimError `ModelError` for weights that are not finite in this form
 */
export function linearWeight(
  values: Float32Array,
  shape: readonly [number, number],
  form: WeightForm = "float32",
): LinearWeight {
  const [input, output] = shape;
  if (activeWebGpu() !== undefined) return PackedMatrix.pack(values, [output, input], form);
  return tf.tensor2d(transposed(kept(values, input, form), output, input), [input, output]);
}

/**
 * Puts a frozen token table on the active backend, as {@link linearWeight} does.
 *
 * @param values `[V, H]`
 * @param shape `[V, H]`
 * @param form how to store the weights
 * @returns the table; the caller disposes it
 * @throws FedKimError `ModelError` for weights that are not finite in this form
 */
export function tokenTable(
  values: Float32Array,
  shape: readonly [number, number],
  form: WeightForm = "float32",
): TokenTable {
  if (activeWebGpu() !== undefined) return PackedMatrix.pack(values, shape, form);
  return tf.tensor2d(kept(values, shape[1], form), [shape[0], shape[1]]);
}

/**
 * y = x W + b with a frozen weight: differentiable in x; a packed weight gets no gradient.
 *
 * @param x `[N, in]`
 * @param weight the weight
 * @param bias `[out]` or undefined
 * @returns `[N, out]`
 */
export function linear(x: tf.Tensor2D, weight: LinearWeight, bias?: tf.Tensor): tf.Tensor2D {
  if (weight instanceof PackedMatrix) return packedProduct(x, weight, bias);
  const product: tf.Tensor2D = tf.matMul(x, weight);
  return bias === undefined ? product : product.add<tf.Tensor2D>(bias);
}

/**
 * Scores of hidden states against every row of a table, x tableᵀ.
 *
 * @param x `[N, H]`
 * @param table the table
 * @returns `[N, V]`, differentiable in x
 */
export function tableScores(x: tf.Tensor2D, table: TokenTable): tf.Tensor2D {
  return table instanceof PackedMatrix ? packedProduct(x, table) : tf.matMul(x, table, false, true);
}

/**
 * Rows of a table.
 *
 * @param table the table
 * @param rows row indices
 * @returns `[rows.length, H]`, float32
 * @throws FedKimError `ModelError` for a row outside the table
 */
export function gatherRows(table: TokenTable, rows: ArrayLike<number>): tf.Tensor2D {
  const wanted = Int32Array.from(rows);
  if (wanted.some((row) => row < 0 || row >= table.shape[0])) {
    throw new FedKimError("ModelError", "A row lies outside its table.", {
      needed: `rows from 0 to ${table.shape[0] - 1}`,
    });
  }
  return tf.tidy(() => {
    const indices = tf.tensor1d(wanted, "int32");
    if (!(table instanceof PackedMatrix)) return tf.gather(table, indices);
    const [result] = runOwnKernel(
      "FkUnpackRows",
      { indices, ...packedInputs(table) },
      packedAttributes(table),
    );
    return result as tf.Tensor2D;
  });
}

/**
 * A linear weight as a float32 tensor, e.g. to merge an adapter into it.
 *
 * @param weight the weight
 * @returns `[in, out]`; a new tensor that the caller disposes
 */
export function denseWeight(weight: LinearWeight): tf.Tensor2D {
  if (!(weight instanceof PackedMatrix)) return weight.clone();
  return tf.tidy(() => gatherRows(weight, allRows(weight)).transpose() as tf.Tensor2D);
}

/**
 * Copies a linear weight to the host.
 *
 * @param weight the weight
 * @returns values `[out, in]`, the checkpoint's layout
 * @throws FedKimError `BackendError` when the GPU reported an error
 */
export async function readLinearWeight(weight: LinearWeight): Promise<Float32Array> {
  if (weight instanceof PackedMatrix) return await readTable(weight);
  return transposed(await readFloat32(weight), ...weight.shape);
}

/**
 * Copies a table to the host.
 *
 * @param table the table
 * @returns row-major values `[V, H]`
 * @throws FedKimError `BackendError` when the GPU reported an error
 */
export async function readTable(table: TokenTable): Promise<Float32Array> {
  if (!(table instanceof PackedMatrix)) return (await readFloat32(table)).slice();
  const [rows, columns] = table.shape;
  const values = new Float32Array(rows * columns);
  for (let first = 0; first < rows; first += ROWS_AT_ONCE) {
    const indices = Array.from({ length: Math.min(ROWS_AT_ONCE, rows - first) }, (_, i) => first + i);
    const block = gatherRows(table, indices);
    values.set(await readFloat32(block), first * columns);
    block.dispose();
  }
  return values;
}

/**
 * Mean of the squares of a table's entries.
 *
 * @param table the table
 * @returns a scalar
 */
export function tableMeanSquare(table: TokenTable): tf.Scalar {
  return tf.tidy(() => {
    if (!(table instanceof PackedMatrix)) return table.square().mean(0).mean<tf.Scalar>();
    const rows = allRows(table);
    const sums: tf.Tensor[] = [];
    for (let first = 0; first < rows.length; first += ROWS_AT_ONCE) {
      const block = rows.subarray(first, first + ROWS_AT_ONCE);
      sums.push(tf.tidy(() => gatherRows(table, block).square().mean(0).mean().mul(block.length)));
    }
    return tf.addN(sums).div<tf.Scalar>(rows.length);
  });
}

/** Rows that are unpacked together where a whole table is read. */
const ROWS_AT_ONCE = 4096;

function packedProduct(x: tf.Tensor2D, weight: PackedMatrix, bias?: tf.Tensor): tf.Tensor2D {
  const [output, input] = weight.shape;
  if (x.shape[1] !== input) {
    throw new FedKimError("ModelError", "A linear layer's input has the wrong width.", {
      found: `${x.shape[1]} columns`,
      needed: String(input),
    });
  }
  const attributes = packedAttributes(weight);
  const product = withGradient(
    ([rows]) => {
      const inputs = { x: rows, ...packedInputs(weight), ...(bias === undefined ? {} : { bias }) };
      return {
        value: runOwnKernel("FkPackedMatMul", inputs, { ...attributes, backward: false })[0],
        saved: [],
      };
    },
    (dy) =>
      runOwnKernel("FkPackedMatMul", { x: dy, ...packedInputs(weight) }, { ...attributes, backward: true }),
  );
  return product(x).reshape([x.shape[0], output]);
}

function allRows(weight: PackedMatrix): Int32Array {
  return Int32Array.from({ length: weight.shape[0] }, (_, row) => row);
}

/** The values that a form keeps. */
function kept(values: Float32Array, columns: number, form: WeightForm): Float32Array {
  return form === "float32" ? values : decodeRows(encodeRows(values, columns, form), columns, form);
}

/** `[rows, columns]` to `[columns, rows]`. */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[column * rows + row] = values[row * columns + column];
    }
  }
  return result;
}
