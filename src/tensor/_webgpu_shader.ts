import type { tf } from "./_tf.ts";
import { flat, sizeOf, type WebGpuBackend } from "./_webgpu_backend.ts";

/** Threads of a workgroup of these shaders. */
export const THREADS = 64;
/** Most workgroups along one dispatch axis; devices allow at least 65,535. */
const GROUPS_ACROSS = 32_768;

/** A shader on vectors of float32 that counts its workgroups itself. */
export interface VectorShader {
  /** Name by which the compiled shader is kept: the same name is the same source. */
  readonly key: string;
  /** Inputs by their names in the source. */
  readonly inputs: Readonly<Record<string, tf.TensorInfo>>;
  /** Whole numbers by their names in the source, as `uniforms.NAME`. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Fractions, likewise. */
  readonly factors?: Readonly<Record<string, number>>;
  /** One workgroup for each element of a row list, or one thread for each element of the output. */
  readonly groups: { readonly perRow: number } | "elements";
  /** WGSL; `group` is the workgroup's number, `id` the thread's in it, `at` the thread's in all. */
  readonly source: string;
}

/** Runs a shader into a new tensor. */
export function runShader(backend: WebGpuBackend, shader: VectorShader, shape: number[]): tf.TensorInfo {
  const output = backend.makeTensorInfo(shape, "float32");
  const { inputs, sizes, factors = {} } = shader;
  const groups = shader.groups === "elements" ? Math.ceil(sizeOf(shape) / THREADS) : shader.groups.perRow;
  const across = Math.min(groups, GROUPS_ACROSS);
  backend.runWebGPUProgram(
    {
      outputShape: [sizeOf(shape)],
      shaderKey: shader.key,
      dispatchLayout: { x: [0], y: [0], z: [0] },
      dispatch: [across, Math.ceil(groups / across), 1],
      workgroupSize: [THREADS, 1, 1],
      variableNames: Object.keys(inputs),
      variableComponents: Object.keys(inputs).map(() => 1),
      uniforms: [
        ...Object.keys(sizes).map((name) => `${name} : i32, `),
        ...Object.keys(factors).map((name) => `${name} : f32, `),
      ].join(""),
      getUserCode: () => `
var<private> group : i32;
var<private> id : i32;
var<private> at : i32;
${shader.source.replace("fn main() {", `fn main() {${PLACE}`)}`,
    },
    Object.values(inputs).map(flat),
    "float32",
    [
      ...Object.values(sizes).map((value) => ({ type: "int32" as const, data: [value] })),
      ...Object.values(factors).map((value) => ({ type: "float32" as const, data: [value] })),
    ],
    flat(output),
  );
  return output;
}

const PLACE = `
  group = i32(workgroupId.y * numWorkgroups.x + workgroupId.x);
  id = i32(localIndex);
  at = group * ${THREADS} + id;`;

/**
 * WGSL: `total(value)` and `largest(value)` over a workgroup, for all its threads. Every thread must call them, so a
 * workgroup beyond the last row works on the last row again and writes nothing.
 */
export const WORKGROUP_SUMS = `
var<workgroup> partial : array<f32, ${THREADS}>;
fn total(value : f32) -> f32 {
  workgroupBarrier();
  partial[id] = value;
  for (var span = ${THREADS / 2}; span > 0; span /= 2) {
    workgroupBarrier();
    if (id < span) { partial[id] += partial[id + span]; }
  }
  workgroupBarrier();
  return partial[0];
}
fn largest(value : f32) -> f32 {
  workgroupBarrier();
  partial[id] = value;
  for (var span = ${THREADS / 2}; span > 0; span /= 2) {
    workgroupBarrier();
    if (id < span) { partial[id] = max(partial[id], partial[id + span]); }
  }
  workgroupBarrier();
  return partial[0];
}`;
