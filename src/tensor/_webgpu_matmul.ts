import type { tf } from "./_tf.ts";
import {
  components,
  declareUniforms,
  type MatMulUniforms,
  type OperandLayout,
  type ProductShader,
  shaderKey,
  type TileShape,
  UNIFORM_NAMES,
} from "./_webgpu_operand_source.ts";
import {
  sliceSumSource,
  STRIP_THREADS,
  stripSource,
  SUM_THREADS,
  SUM_UNIFORM_NAMES,
  VECTOR_COLUMNS,
  VECTOR_ROWS,
  VECTOR_THREADS,
  vectorSource,
} from "./_webgpu_thin_source.ts";
import { tileBytes, tiledSource } from "./_webgpu_tiled_source.ts";
import { flat, sizeOf, type WebGpuBackend } from "./_webgpu_backend.ts";

/** One operand of a product: its tensors and how they are read. */
export interface Operand {
  readonly layout: OperandLayout;
  /** Weights, or plain float32 values. */
  readonly words: tf.TensorInfo;
  /** Scales of int8 and int4. */
  readonly scales?: tf.TensorInfo;
  /** Elements from one line to the next. */
  readonly line: number;
  /** Elements from one matrix of a batch to the next; 0 shares one matrix. */
  readonly batch: number;
  /** First depth that is read. */
  readonly depth: number;
}

/** A low-rank update that is added to a product: (low * scale) up. */
export interface LowRankTerm {
  /** `[rows, rank]`. */
  readonly low: tf.TensorInfo;
  /** `[S, rank]`, S a divisor of the rows. */
  readonly scale: tf.TensorInfo;
  /** `[rank, columns]`, or `[columns, rank]` when contiguous along the depth. */
  readonly up: tf.TensorInfo;
  readonly contiguous: OperandLayout["contiguous"];
}

/** C[m, n] = sum_k A(m, k) B(n, k) for one range of columns and depths. */
export interface Product {
  readonly a: Operand;
  readonly b: Operand;
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** The whole output, `[batch, rows, outColumns]`. */
  readonly output: tf.TensorInfo;
  readonly outColumns: number;
  readonly outColumn: number;
  /** Adds to what the output holds instead of overwriting it. */
  readonly accumulate: boolean;
  readonly lowRank?: LowRankTerm | undefined;
  /** `[outColumns]`. */
  readonly bias?: tf.TensorInfo | undefined;
}

/**
 * Depths of one dispatch: some software adapters stop an invocation after 65,535 iterations of all its loops, and a
 * depth of 16 costs five.
 */
export const LARGEST_DEPTH = 131_072;

/** Workgroups that keep a large GPU busy, and the depth below which a slice is not worth its sum. */
const BUSY_TILES = 128;
const BUSY_STRIPS = 512;
const SMALLEST_SLICE = 256;

/** Tiles of 128 x 128 pay once there are enough of them to fill a large GPU. */
const LARGE_TILES = 64;

/** A plain float32 operand. */
export function denseOperand(
  words: tf.TensorInfo,
  line: number,
  contiguous: OperandLayout["contiguous"],
  batch = 0,
): Operand {
  return { layout: { form: "float32", contiguous, aligned: line % 4 === 0 }, words, line, batch, depth: 0 };
}

/** Runs a product, in several dispatches where the depth is too large for one. */
export function runProduct(backend: WebGpuBackend, product: Product): void {
  const { a, b, depth } = product;
  const slice = (start: number): Product => ({
    ...product,
    a: { ...a, depth: a.depth + start },
    b: { ...b, depth: b.depth + start },
    depth: Math.min(LARGEST_DEPTH, depth - start),
  });
  dispatch(backend, slice(0));
  for (let start = LARGEST_DEPTH; start < depth; start += LARGEST_DEPTH) {
    dispatch(backend, { ...slice(start), accumulate: true, lowRank: undefined, bias: undefined });
  }
}

/**
 * A product of few tiles and much depth leaves most of a GPU idle: its depth is cut into slices that run side by
 * side, and their results are added up.
 */
function dispatch(backend: WebGpuBackend, product: Product): void {
  const { a, b, rows, columns, depth, outColumn, accumulate } = product;
  const kernel = kernelOf(product);
  const slices = sliceCount(backend, product, kernel);
  if (slices === 1) {
    dispatchOnce(backend, product, kernel, { slice: 0, sliceEnd: depth });
    return;
  }
  const slice = Math.ceil(depth / slices / 16) * 16;
  const count = Math.ceil(depth / slice);
  const partials = backend.makeTensorInfo([count, rows, columns], "float32");
  const step = ({ layout, line }: Operand): number => layout.contiguous === "depth" ? slice : slice * line;
  dispatchOnce(
    backend,
    {
      ...product,
      a: { ...a, batch: step(a) },
      b: { ...b, batch: step(b) },
      batch: count,
      depth: slice,
      output: partials,
      outColumns: columns,
      outColumn: 0,
      accumulate: false,
    },
    kernel,
    { slice, sliceEnd: depth },
  );
  const uniforms = {
    rows,
    columns,
    slices: count,
    outLine: product.outColumns,
    outColumn,
    accumulate: accumulate ? 1 : 0,
  };
  const across = Math.min(rows, 32_768);
  backend.runWebGPUProgram(
    {
      outputShape: [sizeOf(product.output.shape)],
      shaderKey: "fk_slice_sum",
      dispatchLayout: { x: [0], y: [0], z: [0] },
      dispatch: [Math.ceil(columns / SUM_THREADS), across, Math.ceil(rows / across)],
      workgroupSize: [SUM_THREADS, 1, 1],
      variableNames: ["partials"],
      variableComponents: [1],
      uniforms: declareUniforms(SUM_UNIFORM_NAMES),
      getUserCode: sliceSumSource,
    },
    [flat(partials)],
    "float32",
    SUM_UNIFORM_NAMES.map((name) => ({ type: "int32", data: [uniforms[name]] })),
    flat(product.output),
  );
  backend.disposeData(partials.dataId);
}

/** Which shader computes a product: see the sources of that name. */
type Kernel = "tiled" | "vector" | "strip";

function kernelOf({ a, b, batch, rows }: Product): Kernel {
  if (rows > VECTOR_ROWS || batch > 1 || a.layout.contiguous === "outer") return "tiled";
  return b.layout.contiguous === "depth" ? "vector" : "strip";
}

function sliceCount(backend: WebGpuBackend, product: Product, kernel: Kernel): number {
  const { batch, rows, columns, depth, lowRank, bias } = product;
  // Bias and up projection are read by the output's columns, which the partial results do not have.
  const extras = lowRank !== undefined || bias !== undefined;
  if (kernel === "vector" || batch > 1 || (extras && columns !== product.outColumns)) return 1;
  const tile = tileChoice(backend, batch, rows, columns);
  const groups = kernel === "strip"
    ? Math.ceil(columns / (4 * STRIP_THREADS)) / BUSY_STRIPS
    : Math.ceil(rows / (16 * tile.rows)) * Math.ceil(columns / (16 * tile.columns)) / BUSY_TILES;
  return Math.max(1, Math.min(Math.floor(1 / groups), Math.floor(depth / SMALLEST_SLICE)));
}

function dispatchOnce(
  backend: WebGpuBackend,
  product: Product,
  kernel: Kernel,
  slices: Pick<MatMulUniforms, "slice" | "sliceEnd">,
): void {
  const { a, b, rows, columns, output, lowRank, bias } = product;
  const rank = lowRank?.up.shape[lowRank.contiguous === "outer" ? 0 : 1] ?? 0;
  const shader = {
    a: a.layout,
    b: b.layout,
    bias: bias !== undefined,
    ...(lowRank === undefined ? {} : {
      up: {
        form: "float32" as const,
        contiguous: lowRank.contiguous,
        aligned: lowRank.up.shape[1] % 4 === 0,
      },
      rankAligned: rank % 4 === 0,
    }),
  };
  const plan = shaderPlan(backend, product, shader, kernel);
  const bound = bindings(product, shader);
  const uniforms: MatMulUniforms = {
    rows,
    columns,
    depth: product.depth,
    aLine: a.line,
    bLine: b.line,
    aBatch: a.batch,
    bBatch: b.batch,
    aDepth: a.depth,
    bDepth: b.depth,
    outLine: product.outColumns,
    outColumn: product.outColumn,
    accumulate: product.accumulate ? 1 : 0,
    rank,
    scaleRows: lowRank?.scale.shape[0] ?? 1,
    ...slices,
  };
  const size = sizeOf(output.shape);
  backend.runWebGPUProgram(
    {
      outputShape: [size],
      shaderKey: `fk_${plan.key}`,
      dispatchLayout: { x: [0], y: [0], z: [0] },
      dispatch: plan.groups,
      workgroupSize: plan.workgroupSize,
      variableNames: bound.map(({ name }) => name),
      variableComponents: bound.map((binding) => binding.components),
      uniforms: declareUniforms(UNIFORM_NAMES),
      getUserCode: plan.source,
    },
    bound.map(({ tensor }) => flat(tensor)),
    "float32",
    UNIFORM_NAMES.map((name) => ({ type: "int32", data: [uniforms[name]] })),
    flat(output),
  );
}

/** A shader with the number and size of its workgroups. */
interface ShaderPlan {
  readonly key: string;
  readonly source: () => string;
  readonly workgroupSize: readonly [number, number, number];
  readonly groups: readonly [number, number, number];
}

function shaderPlan(
  backend: WebGpuBackend,
  { batch, rows, columns }: Product,
  shader: ProductShader,
  kernel: Kernel,
): ShaderPlan {
  switch (kernel) {
    case "vector":
      return {
        key: shaderKey(`vector${rows}`, shader),
        source: () => vectorSource(shader, rows),
        workgroupSize: [VECTOR_THREADS, 1, 1],
        groups: vectorGroups(backend, columns),
      };
    case "strip":
      return {
        key: shaderKey(`strip${rows}`, shader),
        source: () => stripSource(shader, rows),
        workgroupSize: [STRIP_THREADS, 1, 1],
        groups: [Math.ceil(columns / (4 * STRIP_THREADS)), 1, batch],
      };
    case "tiled": {
      const tile = tileChoice(backend, batch, rows, columns);
      return {
        key: shaderKey(`tiled${tile.rows}x${tile.columns}`, shader),
        source: () => tiledSource({ ...shader, tile }),
        workgroupSize: [16, 16, 1],
        groups: [Math.ceil(columns / (16 * tile.columns)), Math.ceil(rows / (16 * tile.rows)), batch],
      };
    }
  }
}

interface Binding {
  readonly name: string;
  readonly tensor: tf.TensorInfo;
  readonly components: number;
}

function bindings(
  { a, b, lowRank, bias }: Product,
  shader: ProductShader,
): Binding[] {
  const operand = (name: string, { words, scales, layout }: Operand): Binding[] => [
    { name, tensor: words, components: components(layout) },
    ...(scales === undefined ? [] : [{ name: `${name}Scales`, tensor: scales, components: 1 }]),
  ];
  const rank = shader.rankAligned ? 4 : 1;
  return [
    ...operand("a", a),
    ...operand("b", b),
    ...(lowRank === undefined || shader.up === undefined ? [] : [
      { name: "lowRows", tensor: lowRank.low, components: rank },
      { name: "scale", tensor: lowRank.scale, components: rank },
      { name: "up", tensor: lowRank.up, components: components(shader.up) },
    ]),
    ...(bias === undefined ? [] : [{ name: "bias", tensor: bias, components: 1 }]),
  ];
}

function tileChoice(backend: WebGpuBackend, batch: number, rows: number, columns: number): TileShape {
  if (rows <= 16) return { rows: 1, columns: 4 };
  const large: TileShape = { rows: 8, columns: 8 };
  const count = batch * Math.floor(rows / 128) * Math.floor(columns / 128);
  const fits = tileBytes(large) <= backend.device.limits.maxComputeWorkgroupStorageSize;
  return count >= LARGE_TILES && fits ? large : { rows: 4, columns: 4 };
}

function vectorGroups(backend: WebGpuBackend, columns: number): readonly [number, number, number] {
  const groups = Math.ceil(columns / VECTOR_COLUMNS);
  const across = Math.min(groups, backend.device.limits.maxComputeWorkgroupsPerDimension);
  return [across, Math.ceil(groups / across), 1];
}
