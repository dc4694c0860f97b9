import assert from "node:assert/strict";
import { concatenateExperts, separateExperts } from "../../src/m3oe/experts.ts";
import {
  expertAdapter,
  type ExpertPair,
  expertScale,
  type GateWeights,
  gateWeights,
} from "../../src/m3oe/mod.ts";
import { readFloat32, selectBackend, tf } from "../../src/tensor/mod.ts";
import { assertClose, assertFiniteDifferences, seededTensor } from "../tensor/_compare.ts";

const [E, R, D, OUT, H] = [3, 2, 8, 12, 8];

function layer(pair: ExpertPair, alpha: tf.Tensor2D, x: tf.Tensor2D, weight: tf.Tensor2D): tf.Tensor2D {
  const adapter = expertAdapter(() => pair, expertScale(alpha, R, 2));
  return adapter.project(0, "q_proj", x, { weight }) as tf.Tensor2D;
}

function gate(seed: number): GateWeights {
  const linear = (output: number, at: number): GateWeights["q"] => ({
    weight: seededTensor([output, H], seed + at) as tf.Tensor2D,
    bias: seededTensor([output], seed + at + 10),
  });
  return { q: linear(H, 0), k: linear(H, 1), v: linear(H, 2), out: linear(E, 3) };
}

function text(length: number, seed: number): tf.Tensor3D {
  return seededTensor([1, length, H], seed) as tf.Tensor3D;
}

Deno.test("with B = 0 the layer is the frozen layer, bit for bit", async () => {
  await selectBackend("wasm");
  const x = seededTensor([5, D], 1) as tf.Tensor2D;
  const weight = seededTensor([D, OUT], 2) as tf.Tensor2D;
  const pair = {
    down: seededTensor([D, E * R], 3) as tf.Tensor2D,
    up: tf.zeros([E * R, OUT]) as tf.Tensor2D,
  };
  const alpha = tf.tensor2d([[0.2, 0.3, 0.5]]);
  assert.deepEqual(await readFloat32(layer(pair, alpha, x, weight)), await readFloat32(tf.matMul(x, weight)));
});

Deno.test("one expert with alpha = 1 is plain LoRA", async () => {
  await selectBackend("wasm");
  const [x, weight] = [seededTensor([5, D], 1), seededTensor([D, OUT], 2)] as tf.Tensor2D[];
  const [down, up] = [seededTensor([D, R], 3), seededTensor([R, OUT], 4)] as tf.Tensor2D[];
  const y = layer({ down, up }, tf.ones([1, 1]), x, weight);
  const lora = tf.matMul(x, weight).add(tf.matMul(tf.matMul(x, down), up).mul(2));
  assertClose(await readFloat32(y), await readFloat32(lora), 1e-6, "LoRA");
});

Deno.test("the concatenated form is the sum over experts, with one alpha per sample", async () => {
  await selectBackend("wasm");
  const loraA = seededTensor([E, R, D], 5) as tf.Tensor3D;
  const loraB = seededTensor([E, OUT, R], 6) as tf.Tensor3D;
  const x = seededTensor([4, D], 1) as tf.Tensor2D;
  const weight = seededTensor([D, OUT], 2) as tf.Tensor2D;
  const alpha = tf.tensor2d([[0.2, 0.3, 0.5], [0.7, 0.2, 0.1]]);
  const y = await readFloat32(layer(concatenateExperts(loraA, loraB), alpha, x, weight));
  let expected = tf.matMul(x, weight) as tf.Tensor;
  for (let expert = 0; expert < E; expert++) {
    const a = loraA.slice([expert, 0, 0], [1, R, D]).reshape([R, D]) as tf.Tensor2D;
    const b = loraB.slice([expert, 0, 0], [1, OUT, R]).reshape([OUT, R]) as tf.Tensor2D;
    // Two tokens per sample.
    const share = alpha.slice([0, expert], [2, 1]).tile([1, 2]).reshape([4, 1]);
    expected = expected.add(tf.matMul(tf.matMul(x, a, false, true), b, false, true).mul(share).mul(2));
  }
  assertClose(y, await readFloat32(expected), 1e-6, "sum over experts");
});

Deno.test("separateExperts() undoes concatenateExperts()", async () => {
  await selectBackend("wasm");
  const loraA = seededTensor([E, R, D], 5) as tf.Tensor3D;
  const loraB = seededTensor([E, OUT, R], 6) as tf.Tensor3D;
  const back = separateExperts(concatenateExperts(loraA, loraB), E);
  assert.deepEqual(await readFloat32(back.loraA), await readFloat32(loraA));
  assert.deepEqual(await readFloat32(back.loraB), await readFloat32(loraB));
});

Deno.test("the gate gives a distribution, and permuting its experts permutes it and nothing else", async () => {
  await selectBackend("wasm");
  const [modality, task] = [{ tokens: text(4, 1) }, { tokens: text(6, 2) }];
  const weights = gate(20);
  const alpha = await readFloat32(gateWeights(weights, modality, task));
  assert.ok(Math.abs(alpha.reduce((sum, value) => sum + value, 0) - 1) < 1e-6);
  const order = tf.tensor1d([2, 0, 1], "int32");
  const out = { weight: tf.gather(weights.out.weight, order), bias: tf.gather(weights.out.bias, order) };
  const permuted = await readFloat32(gateWeights({ ...weights, out }, modality, task));
  assertClose(permuted, [alpha[2], alpha[0], alpha[1]], 1e-6, "permuted");
});

Deno.test("padding of either description does not move the gate", async () => {
  await selectBackend("wasm");
  const [modality, task] = [text(4, 1), text(6, 2)];
  const plain = await readFloat32(gateWeights(gate(20), { tokens: modality }, { tokens: task }));
  const pad = (tokens: tf.Tensor3D): { tokens: tf.Tensor3D; mask: tf.Tensor2D } => ({
    tokens: tf.concat([tokens, tf.fill([1, 3, H], 9)], 1) as tf.Tensor3D,
    mask: tf.concat([tf.ones([1, tokens.shape[1]]), tf.zeros([1, 3])], 1) as tf.Tensor2D,
  });
  const padded = await readFloat32(gateWeights(gate(20), pad(modality), pad(task)));
  assertClose(padded, plain, 1e-6, "padded");
});

Deno.test("gate and layer have the gradients that finite differences give", async () => {
  await assertFiniteDifferences(
    "wasm",
    (query, out, down, up) => {
      const weights = gate(20);
      const alpha = gateWeights(
        {
          ...weights,
          q: { ...weights.q, weight: query as tf.Tensor2D },
          out: { ...weights.out, weight: out as tf.Tensor2D },
        },
        { tokens: text(3, 1) },
        { tokens: text(4, 2) },
      );
      const pair = { down: down as tf.Tensor2D, up: up as tf.Tensor2D };
      return layer(
        pair,
        alpha,
        seededTensor([4, D], 7) as tf.Tensor2D,
        seededTensor([D, OUT], 8) as tf.Tensor2D,
      );
    },
    [[H, H], [E, H], [D, E * R], [E * R, OUT]],
  );
});
