import assert from "node:assert/strict";
import { linear, linearWeight, lowRankLinear, readFloat32, tf, uniformValues } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { assertClose, seededTensor } from "./_compare.ts";
import { webgpuTest } from "./_webgpu.ts";

type T2 = tf.Tensor2D;

webgpuTest(
  "the fused low-rank update on webgpu is within 1e-5 of the unfused ops, values and gradients",
  async () => {
    const before = tf.memory().numTensors;
    // Rows of x, in, out, rank, rows of the scale, form of the frozen weight.
    const cases = [
      [1, 7, 5, 3, 1, "float16"],
      [4, 64, 48, 8, 4, "bfloat16"],
      [9, 33, 70, 6, 9, "int8"],
      [6, 600, 20, 6, 2, "int8"],
      [70, 66, 65, 18, 1, "int4"],
      [70, 20, 68, 20, 2, "dense"],
    ] as const;
    for (const [rows, input, output, rank, scaleRows, form] of cases) {
      const values = uniformValues(input * output, 0.5, new SeededRandom(3));
      const weight = form === "dense"
        ? tf.tensor2d(values, [input, output])
        : linearWeight(values, [input, output], form);
      const bias = seededTensor([output], 2);
      const operands = [[rows, input], [input, rank], [rank, output], [scaleRows, rank]]
        .map((shape, i) => seededTensor(shape, 10 + i));
      const upstream = seededTensor([rows, output], 20);
      const fused = (x: tf.Tensor, down: tf.Tensor, up: tf.Tensor, scale: tf.Tensor): tf.Tensor =>
        lowRankLinear(x as T2, weight, bias, { down: down as T2, up: up as T2, scale: scale as T2 });
      const unfused = (x: tf.Tensor, down: tf.Tensor, up: tf.Tensor, scale: tf.Tensor): tf.Tensor => {
        const spread = scale.reshape([scaleRows, 1, rank]).tile([1, rows / scaleRows, 1]).reshape([
          rows,
          rank,
        ]);
        return linear(x as T2, weight, bias).add(tf.matMul(tf.matMul(x, down).mul(spread), up));
      };
      const results: Float32Array[][] = [];
      for (const f of [fused, unfused]) {
        const tensors = tf.tidy(() => [
          f(operands[0], operands[1], operands[2], operands[3]),
          ...tf.grads((...xs: tf.Tensor[]) => f(xs[0], xs[1], xs[2], xs[3]).mul(upstream).sum())(operands),
        ]);
        results.push(await Promise.all(tensors.map(readFloat32)));
        tf.dispose(tensors);
      }
      ["value", "dx", "d down", "d up", "d scale"].forEach((name, i) =>
        assertClose(results[0][i], results[1][i], 1e-5, `${form} ${rows}x${input}x${output} ${name}`)
      );
      tf.dispose([...operands, bias, upstream]);
      weight.dispose();
    }
    assert.equal(tf.memory().numTensors, before, "tensors were leaked");
  },
);

webgpuTest("an up projection of zeros leaves the frozen layer's output on webgpu bit-identical", async () => {
  for (const [rows, input, output] of [[1, 70, 33], [5, 40, 65], [65, 20, 70]]) {
    const values = uniformValues(input * output, 0.5, new SeededRandom(5));
    const weight = linearWeight(values, [input, output], "float16");
    const x = seededTensor([rows, input], 1) as T2;
    const update = {
      down: seededTensor([input, 6], 2) as T2,
      up: tf.zeros([6, output]) as T2,
      scale: seededTensor([1, 6], 3) as T2,
    };
    const [base, adapted] = [linear(x, weight), lowRankLinear(x, weight, undefined, update)];
    assert.deepEqual(await readFloat32(adapted), await readFloat32(base));
    tf.dispose([x, update.down, update.up, update.scale, base, adapted]);
    weight.dispose();
  }
});
