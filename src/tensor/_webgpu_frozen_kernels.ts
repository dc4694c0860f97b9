import type { PackedAttributes } from "./_packed_call.ts";
import { tf } from "./_tf.ts";
import type { WebGpuBackend, WebGpuKernelCall } from "./_webgpu_backend.ts";
import { denseOperand, type LowRankTerm, type Operand, type Product, runProduct } from "./_webgpu_matmul.ts";
import { paddedColumns } from "./weight_form.ts";

/** A frozen weight as a kernel sees it: packed parts `[out, in]`, or one float32 tensor `[in, out]`. */
type Frozen =
  | { readonly kind: "packed"; readonly parts: WebGpuKernelCall["inputs"]; readonly layout: PackedAttributes }
  | { readonly kind: "dense"; readonly weight: tf.TensorInfo };

/** What is added to a product before it is written. */
type Extras = Pick<Product, "bias" | "lowRank">;

/** y = x Wᵀ + bias with a packed weight, or with the attribute `backward` dx = dy W. */
export function frozenProductKernel({ inputs, attrs, backend }: WebGpuKernelCall): tf.TensorInfo[] {
  const { x, bias, ...weight } = inputs;
  const frozen = frozenOf(weight, attrs);
  return [
    attrs.backward === true
      ? backwardProduct(backend, x, frozen, {})
      : forwardProduct(backend, x, frozen, bias === undefined ? {} : { bias }),
  ];
}

/**
 * y = x W + bias + ((x down) * scale) up in two dispatches: the projection to the rank, and one kernel for all the
 * rest. Also gives x down, `[N, R]`.
 */
export function lowRankLinearKernel({ inputs, attrs, backend }: WebGpuKernelCall): tf.TensorInfo[] {
  const { x, down, up, scale, bias, ...weight } = inputs;
  const low = product(
    backend,
    denseOperand(x, x.shape[1], "depth"),
    denseOperand(down, down.shape[1], "outer"),
    { rows: x.shape[0], depth: x.shape[1], columns: down.shape[1] },
  );
  const lowRank: LowRankTerm = { low, scale, up, contiguous: "outer" };
  const extras = bias === undefined ? { lowRank } : { lowRank, bias };
  return [forwardProduct(backend, x, frozenOf(weight, attrs), extras), low];
}

/**
 * Gradients of {@link lowRankLinearKernel} in x, down, up and scale. The fused kernel gives the one in x:
 * dx = dy Wᵀ + ((dy upᵀ) * scale) downᵀ.
 */
export function lowRankLinearGradKernel({ inputs, attrs, backend }: WebGpuKernelCall): tf.TensorInfo[] {
  const { x, down, up, scale, low, dy, ...weight } = inputs;
  const [rows, input] = x.shape;
  const [rank, columns] = up.shape;
  const dScaled = product(
    backend,
    denseOperand(dy, columns, "depth"),
    denseOperand(up, columns, "depth"),
    { rows, depth: columns, columns: rank },
  );
  const dx = backwardProduct(backend, dy, frozenOf(weight, attrs), {
    lowRank: { low: dScaled, scale, up: down, contiguous: "depth" },
  });
  const grouped = (tensor: tf.TensorInfo): tf.TensorInfo => ({
    ...tensor,
    shape: [scale.shape[0], rows / scale.shape[0], rank],
  });
  const perRow = { ...scale, shape: [scale.shape[0], 1, rank] };
  const dLow = stock(backend, "Multiply", { a: grouped(dScaled), b: perRow });
  const scaled = stock(backend, "Multiply", { a: grouped(low), b: perRow });
  const perTerm = stock(backend, "Multiply", { a: grouped(dScaled), b: grouped(low) });
  const dScale = stock(backend, "Sum", { x: perTerm }, { axis: 1, keepDims: false });
  const dDown = product(
    backend,
    denseOperand(x, input, "outer"),
    denseOperand(dLow, rank, "outer"),
    { rows: input, depth: rows, columns: rank },
  );
  const dUp = product(
    backend,
    denseOperand(scaled, rank, "outer"),
    denseOperand(dy, columns, "outer"),
    { rows: rank, depth: rows, columns },
  );
  for (const temporary of [dScaled, dLow, scaled, perTerm]) backend.disposeData(temporary.dataId);
  return [dx, dDown, dUp, dScale];
}

function forwardProduct(
  backend: WebGpuBackend,
  x: tf.TensorInfo,
  frozen: Frozen,
  extras: Extras,
): tf.TensorInfo {
  const [rows, depth] = x.shape;
  const a = denseOperand(x, depth, "depth");
  if (frozen.kind === "dense") {
    const columns = frozen.weight.shape[1];
    return product(
      backend,
      a,
      denseOperand(frozen.weight, columns, "outer"),
      { rows, depth, columns },
      extras,
    );
  }
  const { rows: columns, partRows } = frozen.layout;
  const output = backend.makeTensorInfo([rows, columns], "float32");
  for (let part = 0, first = 0; first < columns; part++, first += partRows) {
    runProduct(backend, {
      a,
      b: packedOperand(frozen, part, "depth"),
      batch: 1,
      rows,
      depth,
      columns: Math.min(partRows, columns - first),
      output,
      outColumns: columns,
      outColumn: first,
      accumulate: false,
      ...extras,
    });
  }
  return output;
}

function backwardProduct(
  backend: WebGpuBackend,
  dy: tf.TensorInfo,
  frozen: Frozen,
  extras: Extras,
): tf.TensorInfo {
  const [rows, depth] = dy.shape;
  const a = denseOperand(dy, depth, "depth");
  if (frozen.kind === "dense") {
    const columns = frozen.weight.shape[0];
    return product(backend, a, denseOperand(frozen.weight, depth, "depth"), { rows, depth, columns }, extras);
  }
  const { columns, partRows } = frozen.layout;
  const output = backend.makeTensorInfo([rows, columns], "float32");
  for (let part = 0, first = 0; first < depth; part++, first += partRows) {
    runProduct(backend, {
      a: { ...a, depth: first },
      b: packedOperand(frozen, part, "outer"),
      batch: 1,
      rows,
      depth: Math.min(partRows, depth - first),
      columns,
      output,
      outColumns: columns,
      outColumn: 0,
      accumulate: part > 0,
      ...(part === 0 ? extras : {}),
    });
  }
  return output;
}

/** A whole product of two matrices into a new tensor. */
function product(
  backend: WebGpuBackend,
  a: Operand,
  b: Operand,
  size: { readonly rows: number; readonly depth: number; readonly columns: number },
  extras: Extras = {},
): tf.TensorInfo {
  const output = backend.makeTensorInfo([size.rows, size.columns], "float32");
  const place = { output, outColumns: size.columns, outColumn: 0, accumulate: false };
  runProduct(backend, { a, b, batch: 1, ...size, ...place, ...extras });
  return output;
}

function packedOperand(
  { parts, layout: { form, columns } }: Extract<Frozen, { kind: "packed" }>,
  part: number,
  contiguous: "depth" | "outer",
): Operand {
  const scales = parts[`scales${part}`];
  return {
    layout: { form, contiguous, aligned: true },
    words: parts[`words${part}`],
    ...(scales === undefined ? {} : { scales }),
    line: paddedColumns(form, columns),
    batch: 0,
    depth: 0,
  };
}

function frozenOf(weight: WebGpuKernelCall["inputs"], attrs: WebGpuKernelCall["attrs"]): Frozen {
  if (weight.weight !== undefined) return { kind: "dense", weight: weight.weight };
  return { kind: "packed", parts: weight, layout: attrs as unknown as PackedAttributes };
}

function stock(
  backend: WebGpuBackend,
  name: string,
  inputs: Record<string, tf.TensorInfo>,
  attrs: Record<string, number | boolean> = {},
): tf.TensorInfo {
  const call = { inputs, attrs, backend } as unknown as Parameters<tf.KernelFunc>[0];
  return tf.getKernel(name, "webgpu").kernelFunc(call) as tf.TensorInfo;
}
