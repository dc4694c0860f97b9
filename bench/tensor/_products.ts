import {
  type BackendInfo,
  linear,
  linearWeight,
  lowRankLinear,
  PackedMatrix,
  tf,
  WEIGHT_FORMS,
} from "../../src/tensor/mod.ts";
import { gigaflops, noise, secondsOf } from "./_timing.ts";

type Size = readonly [rows: number, depth: number, columns: number];
type T2 = tf.Tensor2D;

/** One measured product. */
export interface ProductRow {
  /** `[rows, depth, columns]`. */
  readonly size: Size;
  /** What was run. */
  readonly what: string;
  /** GFLOP/s of float32 multiply-adds. */
  readonly gflops: number;
  /** Weight bytes read per second, in GB: what bounds a product with one row. */
  readonly weightGigabytes?: number;
}

/** Sizes that a device multiplies in well under a second. */
export function sizesFor({ name, software }: BackendInfo): { square: Size[]; layer: Size[] } {
  if (name === "webgpu" && !software) {
    return {
      square: [[1024, 1024, 1024], [2048, 2048, 2048], [4096, 4096, 4096]],
      layer: [[512, 1536, 8960], [64, 1536, 8960], [1, 1536, 8960], [1, 8960, 1536]],
    };
  }
  const square: Size[] = [[256, 256, 256], [512, 512, 512]];
  return { square, layer: [[64, 576, 1536], [1, 1536, 8960]] };
}

/** Products of two float32 tensors: ours, and on WebGPU tfjs's own beside it. */
export async function measureSquares(info: BackendInfo): Promise<ProductRow[]> {
  const rows: ProductRow[] = [];
  for (const size of sizesFor(info).square) {
    const [m, k, n] = size;
    for (const [transposeA, transposeB] of [[false, false], [false, true], [true, false]]) {
      const a = tf.tensor2d(noise(m * k, 1), transposeA ? [k, m] : [m, k]);
      const b = tf.tensor2d(noise(k * n, 1), transposeB ? [n, k] : [k, n]);
      const letters = `${transposeA ? "T" : "N"}${transposeB ? "T" : "N"}`;
      const time = async (what: string, make: () => tf.Tensor): Promise<void> => {
        rows.push({ size, what: `${letters} ${what}`, gflops: gigaflops(size, await timed(info, make)) });
      };
      await time("ours", () => tf.matMul(a, b, transposeA, transposeB));
      if (info.name === "webgpu") {
        await time(
          "tfjs",
          () => tf.engine().runKernel("StockBatchMatMul", { a, b }, { transposeA, transposeB }) as tf.Tensor,
        );
      }
      tf.dispose([a, b]);
    }
  }
  return rows;
}

/** A frozen layer forwards in every weight form, and its low-rank update fused and unfused. */
export async function measureLayers(info: BackendInfo): Promise<ProductRow[]> {
  const rows: ProductRow[] = [];
  for (const size of sizesFor(info).layer) {
    const [m, k, n] = size;
    const values = noise(k * n, 0.05);
    const x = tf.tensor2d(noise(m * k, 1), [m, k]);
    const rank = 32;
    const [down, up, scale] = [[k, rank], [rank, n], [1, rank]].map((shape) =>
      tf.tensor2d(noise(shape[0] * shape[1], 0.1), shape as [number, number])
    );
    for (const form of info.name === "webgpu" ? WEIGHT_FORMS : ["float32" as const]) {
      const weight = linearWeight(values, [k, n], form);
      const bytes = weight instanceof PackedMatrix ? weight.bytes : 4 * k * n;
      const time = async (what: string, make: () => tf.Tensor): Promise<void> => {
        const seconds = await timed(info, make);
        rows.push({
          size,
          what,
          gflops: gigaflops(size, seconds),
          ...(m === 1 ? { weightGigabytes: bytes / seconds / 1e9 } : {}),
        });
      };
      await time(form, () => linear(x as T2, weight));
      if (form === "float16" || info.name !== "webgpu") {
        await time(
          `${form}, low-rank update fused`,
          () => lowRankLinear(x, weight, undefined, { down, up, scale }),
        );
        await time(
          `${form}, low-rank update unfused`,
          () => tf.tidy(() => linear(x, weight).add(tf.matMul(tf.matMul(x, down).mul(scale), up))),
        );
      }
      weight.dispose();
    }
    tf.dispose([x, down, up, scale]);
  }
  return rows;
}

async function timed({ name, software }: BackendInfo, make: () => tf.Tensor): Promise<number> {
  return await secondsOf(make, name === "webgpu" && !software ? 20 : 1, 4);
}
