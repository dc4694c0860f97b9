import assert from "node:assert/strict";
import { type GateWeights, gateWeights, loadImbalance, relativeEntropy } from "../../src/m3oe/mod.ts";
import { GateCache } from "../../src/m3oe/gate_cache.ts";
import { dropExperts } from "../../src/m3oe/gate_regularisation.ts";
import { readFloat32, readScalar, selectBackend, tf } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { assertClose, assertFiniteDifferences, seededTensor } from "../tensor/_compare.ts";
import { TOY_TASKS, trainToy, withToyBase } from "./_toy.ts";

const [E, H] = [4, 8];

function gate(): GateWeights {
  const linear = (output: number, seed: number): GateWeights["q"] => ({
    weight: seededTensor([output, H], seed) as tf.Tensor2D,
    bias: seededTensor([output], seed + 10),
  });
  return { q: linear(H, 1), k: linear(H, 2), v: linear(H, 3), out: linear(E, 4) };
}

function text(length: number, seed: number): { tokens: tf.Tensor3D } {
  return { tokens: seededTensor([1, length, H], seed) as tf.Tensor3D };
}

Deno.test("gate temperature 1 is the paper's gate to the bit; below sharpens and above flattens", async () => {
  await selectBackend("wasm");
  const alpha = async (...temperature: number[]): Promise<Float32Array> =>
    (await readFloat32(gateWeights(gate(), text(3, 20), text(5, 21), ...temperature))).slice();
  const paper = await alpha();
  assert.deepEqual(await alpha(1), paper);
  const expected = paper.map((value) => value ** 2);
  const total = expected.reduce((sum, value) => sum + value, 0);
  assertClose(await alpha(0.5), expected.map((value) => value / total), 1e-5, "squared and renormalised");
  const spread = (values: Float32Array): number => Math.max(...values) - Math.min(...values);
  assert.ok(spread(await alpha(2)) < spread(paper));
});

Deno.test("load imbalance is 0 for equal loads and E - 1 for one expert alone; entropy 1 and 0", async () => {
  await selectBackend("wasm");
  const even = tf.fill([3, E], 1 / E) as tf.Tensor2D;
  const single = tf.tensor2d([[0, 1, 0, 0], [0, 1, 0, 0]]);
  assert.ok(Math.abs(await readScalar(loadImbalance(even))) < 1e-6);
  assert.ok(Math.abs(await readScalar(loadImbalance(single)) - (E - 1)) < 1e-5);
  assert.ok(Math.abs(await readScalar(relativeEntropy(even)) - 1) < 1e-6);
  assert.ok(await readScalar(relativeEntropy(single)) === 0);
  // Two tasks that use different experts alone are balanced and decisive at once.
  const split = tf.tensor2d([[1, 0], [0, 1]]);
  assert.ok(Math.abs(await readScalar(loadImbalance(split))) < 1e-6);
  assert.ok(await readScalar(relativeEntropy(split)) === 0);
});

Deno.test("the gate's regularisers have the gradients that finite differences give", async () => {
  const alphas = (logits: tf.Tensor): tf.Tensor2D => logits.softmax() as tf.Tensor2D;
  await assertFiniteDifferences("wasm", (logits) => loadImbalance(alphas(logits)), [[3, E]]);
  await assertFiniteDifferences("wasm", (logits) => relativeEntropy(alphas(logits)), [[3, E]]);
});

Deno.test("dropExperts() leaves some experts out, never all, and renormalises", async () => {
  await selectBackend("wasm");
  const random = new SeededRandom(1);
  const alpha = tf.tensor2d([[0.1, 0.2, 0.3, 0.4]]);
  let dropped = 0;
  for (let run = 0; run < 200; run++) {
    const left = await readFloat32(dropExperts(alpha, 0.7, random));
    assert.ok(Math.abs(left.reduce((sum, value) => sum + value, 0) - 1) < 1e-6);
    dropped += left.filter((value) => value === 0).length;
  }
  // 800 draws with probability 0.7, at least one kept: mean 800 x 0.7 - 200 x 0.7^4 = 512; 6 sigma is 80.
  assert.ok(dropped > 430 && dropped < 590, String(dropped));
});

Deno.test("a gate is computed once per pair of texts until its weights change", async () => {
  await selectBackend("wasm");
  const variable = tf.variable(tf.tensor2d([[1, 3]]));
  const cache = new GateCache([variable]);
  let calls = 0;
  const weights = (description: string): Promise<readonly number[]> =>
    cache.weights({ ...TOY_TASKS[0], description }, () => {
      calls++;
      return variable.div(variable.sum()) as tf.Tensor2D;
    });
  assert.deepEqual(await weights("a"), [0.25, 0.75]);
  await weights("a");
  assert.equal(calls, 1);
  await weights("b");
  assert.equal(calls, 2);
  variable.assign(tf.tensor2d([[3, 1]]));
  assert.deepEqual(await weights("a"), [0.75, 0.25]);
  assert.equal(calls, 3);
  variable.dispose();
});

Deno.test("gateTexts leaves one description out: the gate then reads the other one alone", async () => {
  await withToyBase(async (base) => {
    for (
      const [gateTexts, ignored] of [["task_only", "modalityDescription"], [
        "modality_only",
        "description",
      ]] as const
    ) {
      const { model } = await trainToy(base, { epochs: 1, gateTexts });
      const [task] = TOY_TASKS;
      const before = await model.expertWeights(task);
      assert.deepEqual(await model.expertWeights({ ...task, [ignored]: "another text" }), before);
      const other = ignored === "description" ? "modalityDescription" : "description";
      assert.notDeepEqual(await model.expertWeights({ ...task, [other]: "another text" }), before);
      model.dispose();
    }
  });
});

Deno.test("load balancing evens the experts' load out and entropy regularisation makes routing decisive", async () => {
  await withToyBase(async (base) => {
    const spread = async (options: { loadBalance?: number; gateEntropy?: number }): Promise<number[]> => {
      const { model } = await trainToy(base, { epochs: 6, learningRate: 2e-2, ...options });
      const { tasks, expertLoad } = await model.routing();
      model.dispose();
      const entropy = tasks.slice(0, 2).reduce((sum, task) => sum + task.entropy, 0) / 2;
      return [Math.max(...expertLoad) - Math.min(...expertLoad), entropy];
    };
    const [plainLoad, plainEntropy] = await spread({});
    const [balancedLoad] = await spread({ loadBalance: 1 });
    const [, decisive] = await spread({ gateEntropy: 1 });
    assert.ok(balancedLoad < plainLoad, `${balancedLoad} against ${plainLoad}`);
    assert.ok(decisive < 0.8 * plainEntropy, `${decisive} against ${plainEntropy}`);
  });
});
