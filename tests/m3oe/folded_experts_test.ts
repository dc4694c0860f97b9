import assert from "node:assert/strict";
import { type ExpertPair } from "../../src/m3oe/mod.ts";
import { expertAdapter, foldedAdapter } from "../../src/m3oe/mod.ts";
import { foldedLinear, foldingPays } from "../../src/m3oe/folded_experts.ts";
import { readFloat32, selectBackend, tf } from "../../src/tensor/mod.ts";
import { assertClose, assertFiniteDifferences, seededTensor, valueAndGradients } from "../tensor/_compare.ts";

const [ROWS, INPUT, OUTPUT, RANK] = [30, 8, 12, 6];
const SHAPES = [[ROWS, INPUT], [INPUT, RANK], [RANK, OUTPUT], [1, RANK]];

function operands(tensors: tf.Tensor[]): { x: tf.Tensor2D; pair: ExpertPair; scale: tf.Tensor2D } {
  const [x, down, up, scale] = tensors as tf.Tensor2D[];
  return { x, pair: { down, up }, scale };
}

function frozen(): { weight: tf.Tensor2D; bias: tf.Tensor } {
  return { weight: seededTensor([INPUT, OUTPUT], 50) as tf.Tensor2D, bias: seededTensor([OUTPUT], 51) };
}

function folded(...tensors: tf.Tensor[]): tf.Tensor {
  const { x, pair, scale } = operands(tensors);
  return foldedLinear(x, frozen(), pair, scale);
}

function lowRank(...tensors: tf.Tensor[]): tf.Tensor {
  const { x, pair, scale } = operands(tensors);
  return expertAdapter(() => pair, scale).project(0, "q_proj", x, frozen()) as tf.Tensor;
}

Deno.test("folding experts into the weight changes neither values nor gradients of the low-rank form", async () => {
  for (const backend of ["wasm", "cpu"] as const) {
    const expected = await valueAndGradients(backend, lowRank, SHAPES);
    const actual = await valueAndGradients(backend, folded, SHAPES);
    for (const [index, values] of expected.entries()) {
      assertClose(actual[index], values, 2e-6, `${backend} ${index === 0 ? "value" : `gradient ${index}`}`);
    }
  }
});

Deno.test("the folded layer has the gradients that finite differences give", async () => {
  await assertFiniteDifferences("wasm", folded, SHAPES);
});

Deno.test("with B = 0 the folded layer is the frozen layer, bit for bit", async () => {
  await selectBackend("wasm");
  const { weight, bias } = frozen();
  const x = seededTensor([ROWS, INPUT], 1) as tf.Tensor2D;
  const pair = {
    down: seededTensor([INPUT, RANK], 2) as tf.Tensor2D,
    up: tf.zeros([RANK, OUTPUT]) as tf.Tensor2D,
  };
  const y = foldedLinear(x, { weight, bias }, pair, tf.ones([1, RANK]));
  assert.deepEqual(await readFloat32(y), await readFloat32(tf.matMul(x, weight).add(bias)));
});

Deno.test("foldedAdapter() folds where a batch has many tokens and leaves few tokens and other layers alone", async () => {
  await selectBackend("wasm");
  assert.ok(foldingPays(100, [8, 12]) && !foldingPays(2, [8, 12]));
  const { weight } = frozen();
  const [down, up] = [seededTensor([INPUT, RANK], 2), seededTensor([RANK, OUTPUT], 3)] as tf.Tensor2D[];
  const asked: number[] = [];
  const adapter = foldedAdapter((layer) => layer === 0 ? { down, up } : undefined, tf.ones([1, RANK]), {
    project: (_layer, _name, x) => {
      asked.push(x.shape[0]);
      return undefined;
    },
  });
  const many = seededTensor([ROWS, INPUT], 1) as tf.Tensor2D;
  assert.deepEqual(adapter.project(0, "q_proj", many, { weight })?.shape, [ROWS, OUTPUT]);
  adapter.project(0, "q_proj", many.slice([0, 0], [2, INPUT]), { weight });
  assert.equal(adapter.project(1, "q_proj", many, { weight }), undefined);
  assert.deepEqual(asked, [2]);
});
