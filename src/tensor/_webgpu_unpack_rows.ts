import type { PackedAttributes } from "./_packed_call.ts";
import type { tf } from "./_tf.ts";
import { flat, type WebGpuKernelCall } from "./_webgpu_backend.ts";
import { components, type OperandLayout, operandSource } from "./_webgpu_operand_source.ts";
import { hasScales, paddedColumns } from "./weight_form.ts";

const THREADS = 64;

/** Unpacks rows of a packed matrix by index, `[indices, columns]`: one dispatch per part, each for its own rows. */
export function unpackRowsKernel({ inputs, attrs, backend }: WebGpuKernelCall): tf.TensorInfo[] {
  const { indices, ...parts } = inputs;
  const { form, rows, columns, partRows } = attrs as unknown as PackedAttributes;
  const layout: OperandLayout = { form, contiguous: "outer", aligned: true };
  const output = backend.makeTensorInfo([indices.shape[0], columns], "float32");
  const quads = Math.ceil(columns / 4);
  const across = Math.ceil(quads / THREADS);
  for (let part = 0, first = 0; first < rows; part++, first += partRows) {
    const scaled = hasScales(form);
    const names = ["indices", "w", ...(scaled ? ["wScales"] : [])];
    const tensors = [indices, parts[`words${part}`], ...(scaled ? [parts[`scales${part}`]] : [])];
    const uniforms = [
      indices.shape[0],
      columns,
      paddedColumns(form, columns),
      first,
      Math.min(partRows, rows - first),
    ];
    backend.runWebGPUProgram(
      {
        outputShape: [indices.shape[0] * columns],
        shaderKey: `fk_unpack_rows_${form}`,
        dispatchLayout: { x: [0], y: [0], z: [0] },
        dispatch: [across, ...spread(indices.shape[0])],
        workgroupSize: [THREADS, 1, 1],
        variableNames: names,
        variableComponents: [1, components(layout), ...(scaled ? [1] : [])],
        uniforms: "count : i32, columns : i32, wLine : i32, firstRow : i32, partRows : i32, ",
        getUserCode: () => source(layout),
      },
      tensors.map(flat),
      "float32",
      uniforms.map((value) => ({ type: "int32", data: [value] })),
      flat(output),
    );
  }
  return [output];
}

/** Spreads a count over two dispatch axes of at most 32,768 groups. */
function spread(count: number): [number, number] {
  const inner = Math.min(count, 32_768);
  return [inner, Math.ceil(count / inner)];
}

function source(layout: OperandLayout): string {
  return `
${operandSource("w", layout, "0")}
fn main() {
  let item = i32(workgroupId.z * numWorkgroups.y + workgroupId.y);
  let quad = i32(globalId.x);
  if (item >= uniforms.count || 4 * quad >= uniforms.columns) { return; }
  let row = indices[item] - uniforms.firstRow;
  if (row < 0 || row >= uniforms.partRows) { return; }
  let v = wQuad(row, quad, uniforms.columns);
  for (var i = 0; i < 4 && 4 * quad + i < uniforms.columns; i++) {
    result[item * uniforms.columns + 4 * quad + i] = v[i];
  }
}`;
}
