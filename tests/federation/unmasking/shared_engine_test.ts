import assert from "node:assert/strict";
import fc from "fast-check";
import { openStore, type Store } from "../../../src/federation/store/mod.ts";
import { addWords, decodeShard, encodeShard, encodeWords } from "../../../src/federation/unmasking/shard.ts";
import { helpUnmasking, pooledEngine, sharedEngine } from "../../../src/federation/unmasking/mod.ts";
import { callsOf, workShard } from "../../../src/federation/unmasking/shared_engine.ts";
import { FedKimError } from "../../../src/formats/errors.ts";
import { defaultEngine, type MaskEngine, type MaskJob, nativeProvider } from "../../../src/secure_agg/mod.ts";

const engine = defaultEngine(nativeProvider);
const DIMENSION = 5000;
const jobs: MaskJob[] = Array.from({ length: 7 }, (_, i) => ({
  key: new Uint8Array(32).fill(i + 1),
  negate: i % 2 === 0,
}));

/** The sum that one thread alone gives, from words that are not zero. */
function alone(): Uint32Array {
  const words = start();
  engine.apply(words, jobs, 0);
  return words;
}

function start(): Uint32Array {
  return Uint32Array.from({ length: DIMENSION }, (_, i) => i * 2654435761);
}

async function withStores(body: (leader: Store, replica: Store) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".sqlite" });
  const [leader, replica] = [await openStore(path), await openStore(path)];
  try {
    await body(leader, replica);
  } finally {
    await leader.close();
    await replica.close();
    await Deno.remove(path);
  }
}

Deno.test("a shard survives encoding, whatever its range and masks", () => {
  fc.assert(fc.property(
    fc.nat(2 ** 30),
    fc.integer({ min: 1, max: 2 ** 20 }),
    fc.array(
      fc.record({ key: fc.uint8Array({ minLength: 32, maxLength: 32 }), negate: fc.boolean() }),
      { maxLength: 5 },
    ),
    (first, length, masks) => {
      const again = decodeShard(encodeShard({ first, length, jobs: masks }));
      assert.deepEqual([again.first, again.length], [first, length]);
      again.jobs.forEach(({ key, negate }, i) => {
        assert.deepEqual([[...key], negate], [[...masks[i].key], masks[i].negate]);
      });
    },
  ));
});

Deno.test("a job or a result that cannot be read is refused, never added", () => {
  assert.throws(() => decodeShard(new Uint8Array(20)), { code: "StoreError" });
  assert.throws(() => decodeShard(encodeShard({ first: 0, length: 0, jobs: [] })), { code: "StoreError" });
  const words = new Uint32Array(4);
  assert.throws(() => addWords(words, new Uint8Array(12)), { code: "StoreError" });
  assert.deepEqual(words, new Uint32Array(4));
});

Deno.test("a shared sum is the sum of one thread alone, and leaves nothing in the store", async () => {
  await withStores(async (leader) => {
    const shared = sharedEngine({ store: leader, federation: "f", fence: undefined, engine, worthWords: 0 });
    const words = start();
    await shared.apply(words, jobs, 0);
    assert.deepEqual(words, alone());
    const [call] = await leader.read(callsOf("f"), 0, 1);
    const queue = new TextDecoder().decode(call.body);
    assert.deepEqual(await leader.results(queue), []);
    assert.equal(await leader.newest(queue), 0);
  });
});

Deno.test("ranges that another replica works out are added as if they were one's own", async () => {
  // One handle for both: a replica on another one hears of the call from PostgreSQL.
  await withStores(async (store) => {
    let helped = 0;
    // The leader's own engine waits until the other replica has had its share.
    const others = Promise.withResolvers<void>();
    const slow: MaskEngine = {
      name: "slow",
      apply: async (words, masks, first) => {
        await others.promise;
        await engine.apply(words, masks, first);
      },
    };
    const counting: MaskEngine = {
      name: "counting",
      apply: async (words, masks, first) => {
        await engine.apply(words, masks, first);
        if (++helped === 5) others.resolve();
      },
    };
    const stop = new AbortController();
    const helping = helpUnmasking(store, "f", counting, stop.signal);
    const shared = sharedEngine({ store, federation: "f", fence: undefined, engine: slow, worthWords: 0 });
    const words = start();
    await shared.apply(words, jobs, 0);
    stop.abort();
    await helping;
    assert.ok(helped >= 5);
    assert.deepEqual(words, alone());
  });
});

Deno.test("an aggregator that has lost the lead calls nobody to work, and still gives the right sum", async () => {
  await withStores(async (leader, replica) => {
    const fence = (await leader.acquire("leader/f", "old", 60_000))!;
    await leader.release(fence);
    await replica.acquire("leader/f", "new", 60_000);
    const shared = sharedEngine({ store: leader, federation: "f", fence, engine, worthWords: 0 });
    const words = start();
    await shared.apply(words, jobs, 0);
    assert.deepEqual(words, alone());
    assert.equal(await leader.newest(callsOf("f")), 0);
  });
});

Deno.test("a claim that was lost to another replica hands in nothing", async () => {
  await withStores(async (leader) => {
    await leader.enqueue("q", "a", encodeShard({ first: 0, length: 16, jobs }));
    const late = (await leader.claim("q", -1000))!;
    assert.ok(await workShard(leader, "q", engine));
    assert.equal(await leader.finish(late, encodeWords(new Uint32Array(16))), false);
    const [{ result }] = await leader.results("q");
    const expected = new Uint32Array(16);
    engine.apply(expected, jobs, 0);
    assert.deepEqual(result, new Uint8Array(expected.buffer));
  });
});

Deno.test("an engine that fails is told, and no half sum is left", async () => {
  await withStores(async (leader) => {
    const broken: MaskEngine = {
      name: "broken",
      apply: () => {
        throw new FedKimError("InternalError", "no");
      },
    };
    const shared = sharedEngine({
      store: leader,
      federation: "f",
      fence: undefined,
      engine: broken,
      worthWords: 0,
    });
    const words = start();
    await assert.rejects(async () => await shared.apply(words, jobs, 0), { code: "InternalError" });
    assert.deepEqual(words, start());
  });
});

Deno.test("Workers give the sum of one thread alone, also for ranges that no block size divides", async () => {
  const many = Array.from(
    { length: 9000 },
    (_, i) => ({ key: nativeProvider.sha256(Uint8Array.of(i, i >> 8)), negate: i % 3 === 0 }),
  );
  const pooled = pooledEngine(engine, 2);
  try {
    const [words, expected] = [new Uint32Array(8191), new Uint32Array(8191)];
    await pooled.apply(words, many, 0);
    await engine.apply(expected, many, 0);
    assert.deepEqual(words, expected);
  } finally {
    pooled.close();
  }
});
