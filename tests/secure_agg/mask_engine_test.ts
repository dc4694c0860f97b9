import assert from "node:assert/strict";
import fc from "fast-check";
import {
  fastestEngine,
  type MaskEngine,
  type MaskJob,
  maskWorkerPool,
  nativeProvider,
  nobleProvider,
  streamEngine,
  wasmEngine,
} from "../../src/secure_agg/mod.ts";
import { testRandom } from "./_harness.ts";

/** The definition, word by word. */
function slow(words: Uint32Array, jobs: readonly MaskJob[], first: number): Uint32Array {
  const out = words.slice();
  for (const { key, negate } of jobs) {
    const stream = nobleProvider.chacha20(key, new Uint8Array(12), first / 16, 4 * words.length);
    const view = new DataView(stream.buffer, stream.byteOffset);
    for (let i = 0; i < out.length; i++) out[i] += (negate ? -1 : 1) * view.getUint32(4 * i, true);
  }
  return out;
}

function jobs(count: number): MaskJob[] {
  const random = testRandom("jobs");
  return Array.from({ length: count }, (_, i) => ({ key: random(32), negate: i % 3 === 1 }));
}

const engines: MaskEngine[] = [
  wasmEngine(),
  streamEngine(nativeProvider),
  streamEngine(nobleProvider),
  fastestEngine(),
];

for (const [i, engine] of engines.entries()) {
  Deno.test(`engine ${i} (${engine.name}) adds the ChaCha20 masks of RFC 8439 from any block on`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 700 }),
        fc.integer({ min: 0, max: 2 ** 20 }),
        fc.integer({ min: 0, max: 4 }),
        async (length, block, count) => {
          const words = Uint32Array.from({ length }, (_, j) => 0xffffff00 + j);
          const expected = slow(words, jobs(count), 16 * block);
          await engine.apply(words, jobs(count), 16 * block);
          assert.deepEqual(words, expected);
        },
      ),
      { numRuns: 25 },
    );
  });

  Deno.test(`engine ${i} (${engine.name}) is exact across its internal blocks and undoes itself`, async () => {
    const words = new Uint32Array(150_001);
    await engine.apply(words, jobs(2), 32);
    assert.deepEqual(words, slow(new Uint32Array(150_001), jobs(2), 32));
    await engine.apply(words, jobs(2).map(({ key, negate }) => ({ key, negate: !negate })), 32);
    assert.ok(words.every((word) => word === 0));
  });
}

Deno.test("the Worker pool gives the same masks as one thread, leaves the keys alone, and can be closed", async () => {
  const pool = maskWorkerPool(2);
  try {
    for (const length of [1, 1000, 600_001]) {
      const [many, one] = [new Uint32Array(length).fill(9), new Uint32Array(length).fill(9)];
      const keys = jobs(3);
      await Promise.all([pool.apply(many, keys, 0), wasmEngine().apply(one, keys, 0)]);
      assert.deepEqual(many, one);
      assert.deepEqual(keys, jobs(3));
    }
  } finally {
    pool.close();
  }
});
