import assert from "node:assert/strict";
import fc from "fast-check";
import type { EncodedSample } from "../../src/m3oe/mod.ts";
import { mixTaught } from "../../src/m3oe/teacher_mixing.ts";
import { answerAt, meanToken, teacherPlanes } from "../../src/m3oe/teacher_plane.ts";
import { logitOf, probabilityOf } from "../../src/m3oe/teacher_spread.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { TOY_TASKS } from "./_toy.ts";

const WIDTH = 5;
const [TASK] = TOY_TASKS;

/** Records of two modalities, two tokens and one; with `absent` some lack the second. */
function records(count: number, seed: number, absent = false): EncodedSample[] {
  const random = new SeededRandom(seed);
  const tokens = (rows: number): Float32Array =>
    Float32Array.from({ length: rows * WIDTH }, () => random.normal());
  return Array.from({ length: count }, (_, index) => ({
    task: TASK,
    modalities: [
      { modality: "vitals", count: 2, tokens: tokens(2) },
      { modality: "labs", count: 1, tokens: absent && index % 3 === 0 ? new Float32Array(WIDTH) : tokens(1) },
    ],
    suffix: [1],
    answer: [2],
    index,
  }));
}

/** A federated head of a seed: an affine map of the mean over the tokens that are there. */
function headOf(seed: number): (sample: Pick<EncodedSample, "modalities">) => number {
  const random = new SeededRandom(seed);
  const direction = Array.from({ length: WIDTH }, () => random.normal());
  const bias = random.normal();
  return (sample) => meanToken(sample)!.reduce((sum, value, i) => sum + value * direction[i], bias);
}

function taughtBy(samples: EncodedSample[], logit: (sample: EncodedSample) => number): EncodedSample[] {
  return samples.map((sample) => ({ ...sample, teacher: probabilityOf(logit(sample)) }));
}

Deno.test("teacherPlanes() finds any affine head, absent tokens included, and it answers to other records", () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.boolean(), (seed, absent) => {
      const head = headOf(seed);
      const plane = teacherPlanes(taughtBy(records(40, seed + 1, absent), head)).get(TASK.name);
      assert.ok(plane !== undefined);
      for (const sample of records(10, seed + 2, absent)) {
        assert.ok(Math.abs(answerAt(plane, meanToken(sample)!) - head(sample)) < 1e-5);
      }
    }),
    { numRuns: 20 },
  );
});

Deno.test("a feature that is constant or repeats another one does not disturb the plane", () => {
  const head = headOf(1);
  const repeated = records(40, 2).map((sample) => ({
    ...sample,
    modalities: sample.modalities.map((modality) => ({
      ...modality,
      tokens: modality.tokens.map((value, i, all) =>
        i % WIDTH === 4 ? all[i - 1] : i % WIDTH === 2 ? 0.7 : value
      ),
    })),
  }));
  const taught = taughtBy(repeated, head);
  const plane = teacherPlanes(taught).get(TASK.name)!;
  for (const sample of taught) {
    assert.ok(Math.abs(answerAt(plane, meanToken(sample)!) - head(sample)) < 1e-4);
  }
});

Deno.test("a teacher that is no plane, or says too little to fix one, gets none", () => {
  const head = headOf(3);
  const none = (samples: EncodedSample[]): void => assert.equal(teacherPlanes(samples).size, 0);
  none(taughtBy(records(80, 4), (sample) => head(sample) ** 2));
  none(taughtBy(records(80, 4), (sample) => head(sample) + (sample.index % 7) / 7));
  none(taughtBy(records(8, 4), head));
  none(records(80, 4));
  // Labels as a teacher are no plane either.
  none(records(80, 4).map((sample) => ({ ...sample, teacher: Number(head(sample) > 0) })));
  none(
    taughtBy(records(80, 4), head).map((sample) => ({
      ...sample,
      modalities: [sample.modalities[0], { modality: "labs", count: 1, tokens: new Float32Array(WIDTH + 1) }],
    })),
  );
});

Deno.test("mixed token by token, records leave their span and the teacher still answers exactly", () => {
  const head = headOf(5);
  const batch = taughtBy(records(40, 6, true), head);
  const plane = teacherPlanes(batch).get(TASK.name)!;
  const mixed = mixTaught(batch, 0.25, new SeededRandom(1), plane);
  assert.deepEqual(mixTaught(batch, 0.25, new SeededRandom(1), plane), mixed);
  assert.equal(mixTaught(batch, 0, new SeededRandom(1), plane), batch);
  for (const [index, sample] of mixed.entries()) {
    assert.ok(Math.abs(logitOf(sample.teacher!) - head(sample)) < 1e-4);
    // What a record lacks, it still lacks.
    assert.equal(sample.modalities[1].tokens.every((value) => value === 0), index % 3 === 0);
  }
  // Two records on one line give points on it when mixed as records, and points off it token by token.
  const pair = batch.slice(1, 3);
  const offLine = (sample: EncodedSample): number => {
    const flat = ({ modalities }: EncodedSample): number[] => modalities.flatMap(({ tokens }) => [...tokens]);
    const [zero, one, point] = [pair[1], pair[0], sample].map(flat);
    const along = one.map((value, i) => value - zero[i]);
    const from = point.map((value, i) => value - zero[i]);
    const dot = (x: number[], y: number[]): number => x.reduce((sum, value, i) => sum + value * y[i], 0);
    const lambda = dot(from, along) / dot(along, along);
    return Math.hypot(...from.map((value, i) => value - lambda * along[i]));
  };
  const farthest = (samples: readonly EncodedSample[]): number => Math.max(...samples.map(offLine));
  const draws = Array.from({ length: 20 }, (_, seed) => new SeededRandom(seed));
  assert.ok(farthest(draws.flatMap((random) => mixTaught(pair, 0.25, random))) < 1e-5);
  assert.ok(farthest(draws.flatMap((random) => mixTaught(pair, 0.25, random, plane))) > 0.5);
});

Deno.test("mixed token by token, samples without a teacher stay as they are", () => {
  const batch = taughtBy(records(40, 6), headOf(5));
  const plane = teacherPlanes(batch).get(TASK.name)!;
  const untaught = records(8, 7);
  assert.deepEqual(mixTaught(untaught, 0.25, new SeededRandom(1), plane), untaught);
});
