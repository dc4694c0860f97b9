import assert from "node:assert/strict";
import type { EncodedSample } from "../../src/m3oe/mod.ts";
import { mixTaught } from "../../src/m3oe/teacher_mixing.ts";
import { logitOf, probabilityOf } from "../../src/m3oe/teacher_spread.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { TOY_TASKS } from "./_toy.ts";

const WIDTH = 3, COUNT = 2;
const DIRECTION = [0.7, -1.1, 0.4];

/** A federated head: a linear map of the mean token. */
function headLogit(tokens: Float32Array): number {
  return tokens.reduce((sum, x, i) => sum + x * DIRECTION[i % WIDTH], 0) / COUNT - 0.3;
}

function sampleOf(tokens: Float32Array, teacher: number | undefined, index: number): EncodedSample {
  const modalities = [{ modality: "image", tokens, count: COUNT }];
  return {
    task: TOY_TASKS[0],
    modalities,
    suffix: [1],
    answer: [2],
    index,
    ...(teacher === undefined ? {} : { teacher }),
  };
}

function taughtBatch(size: number): EncodedSample[] {
  const random = new SeededRandom(3);
  return Array.from({ length: size }, (_, index) => {
    const tokens = Float32Array.from({ length: WIDTH * COUNT }, () => random.normal());
    return sampleOf(tokens, probabilityOf(headLogit(tokens)), index);
  });
}

Deno.test("what a linear head teaches about mixed tokens is what it would answer to them", () => {
  const batch = taughtBatch(40);
  const mixed = mixTaught(batch, 0.25, new SeededRandom(1));
  const moved = mixed.filter(({ modalities }, i) =>
    modalities[0].tokens[0] !== batch[i].modalities[0].tokens[0]
  );
  assert.ok(moved.length > 30);
  for (const { modalities, teacher } of mixed) {
    assert.ok(Math.abs(logitOf(teacher!) - headLogit(modalities[0].tokens)) < 1e-5);
  }
});

Deno.test("mixing is seeded, and leaves alone what no teacher or another presence stands behind", () => {
  const batch = taughtBatch(8);
  assert.deepEqual(mixTaught(batch, 0.25, new SeededRandom(1)), mixTaught(batch, 0.25, new SeededRandom(1)));
  assert.equal(mixTaught(batch, 0, new SeededRandom(1)), batch);
  const untaught = batch.map(({ modalities }, i) => sampleOf(modalities[0].tokens, undefined, i));
  assert.deepEqual(mixTaught(untaught, 0.25, new SeededRandom(1)), untaught);
  const absent = sampleOf(new Float32Array(WIDTH * COUNT), 0.5, 8);
  for (let seed = 0; seed < 20; seed++) {
    assert.deepEqual(mixTaught([...batch, absent], 0.25, new SeededRandom(seed))[8], absent);
  }
});
