import { FedKimError } from "../formats/errors.ts";
import { tf } from "./_tf.ts";
import { activeWebGpu, bindingLimit, tooLarge, uploadNow, type WebGpuBackend } from "./_webgpu_backend.ts";
import { encodeRows, packedBytes, type WeightForm } from "./weight_form.ts";

/** Rows of a packed matrix that share one GPU buffer. */
export interface PackedPart {
  /** Index of its first row in the matrix. */
  readonly firstRow: number;
  /** Number of rows. */
  readonly rows: number;
  /** The weights as 32-bit words. */
  readonly words: tf.Tensor;
  /** Float16 scales in pairs; absent for floating-point forms. */
  readonly scales?: tf.Tensor;
}

/** Rows are split at multiples of this, so that shaders can read four neighbouring depths at once. */
const ROW_UNIT = 16;

/** Parts stay below this even where the adapter allows more: word indices are 32-bit. */
const LARGEST_PART = 2 ** 30;

/**
 * A frozen matrix that stays packed in GPU memory, in the checkpoint's layout `[rows, columns]` = `[out, in]`, split
 * into parts below the adapter's binding limit. Exists on the WebGPU backend only; shaders unpack it as they read.
 */
export class PackedMatrix {
  /** `[out, in]`. */
  readonly shape: readonly [number, number];
  /** How the weights are stored. */
  readonly form: WeightForm;
  /** The parts, in order of rows. */
  readonly parts: readonly PackedPart[];
  /** Rows of every part but the last. */
  readonly partRows: number;

  private constructor(
    shape: readonly [number, number],
    form: WeightForm,
    partRows: number,
    parts: readonly PackedPart[],
  ) {
    this.shape = shape;
    this.form = form;
    this.partRows = partRows;
    this.parts = parts;
  }

  /**
   * Packs a matrix and moves it to the GPU.
   *
   * @param values `[out, in]`, row-major
   * @param shape `[out, in]`
   * @param form how to store the weights
   * @param partLimit most bytes of a part; default: the adapter's binding limit
   * @returns the packed matrix; the caller disposes it
   * @throws FedKimError `ModelError` for weights that are not finite in this form, `BackendError` on another
   * backend or when sixteen rows exceed the limit
   */
  static pack(
    values: Float32Array,
    shape: readonly [number, number],
    form: WeightForm,
    partLimit?: number,
  ): PackedMatrix {
    const backend = activeWebGpu();
    if (backend === undefined) {
      throw new FedKimError("BackendError", "Packed weights live on the WebGPU backend only.", {
        found: tf.getBackend(),
        remedy: "select webgpu, or use float32 weights",
      });
    }
    const [rows, columns] = shape;
    const partRows = rowsPerPart(backend, shape, form, partLimit);
    const parts: PackedPart[] = [];
    try {
      for (let firstRow = 0; firstRow < rows; firstRow += partRows) {
        const count = Math.min(partRows, rows - firstRow);
        const slice = values.subarray(firstRow * columns, (firstRow + count) * columns);
        parts.push({ firstRow, rows: count, ...uploadRows(backend, slice, columns, form) });
      }
    } catch (error) {
      for (const part of parts) tf.dispose([part.words, ...(part.scales ? [part.scales] : [])]);
      throw error;
    }
    return new PackedMatrix(shape, form, partRows, parts);
  }

  /** Number of weights. */
  get size(): number {
    return this.shape[0] * this.shape[1];
  }

  /** Bytes in GPU memory. */
  get bytes(): number {
    return this.parts.reduce((sum, { rows }) => sum + packedBytes(this.form, rows, this.shape[1]), 0);
  }

  /** Frees its GPU memory; calling again is harmless. */
  dispose(): void {
    for (const { words, scales } of this.parts) {
      words.dispose();
      scales?.dispose();
    }
  }
}

function rowsPerPart(
  backend: WebGpuBackend,
  [rows, columns]: readonly [number, number],
  form: WeightForm,
  partLimit: number = bindingLimit(backend),
): number {
  const limit = Math.min(partLimit, LARGEST_PART);
  if (packedBytes(form, rows, columns) <= limit) return Math.max(rows, 1);
  const unit = packedBytes(form, ROW_UNIT, columns);
  if (unit > limit) throw tooLarge(unit, limit);
  return Math.floor(limit / unit) * ROW_UNIT;
}

function uploadRows(
  backend: WebGpuBackend,
  values: Float32Array,
  columns: number,
  form: WeightForm,
): { words: tf.Tensor; scales?: tf.Tensor } {
  const { words, scales } = encodeRows(values, columns, form);
  const upload = (array: Float32Array | Int32Array): tf.Tensor => {
    const tensor = tf.tensor1d(array, array instanceof Int32Array ? "int32" : "float32");
    uploadNow(backend, tensor);
    return tensor;
  };
  return { words: upload(words), ...(scales === undefined ? {} : { scales: upload(scales) }) };
}
