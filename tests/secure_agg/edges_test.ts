import assert from "node:assert/strict";
import {
  decodeMessage,
  decodeRoundConfig,
  defaultMinimumSurvivors,
  defaultThreshold,
  encodeMessage,
  encodeRoundConfig,
  generateIdentity,
  graphParams,
  graphPermutation,
  type MaskJob,
  maskWorkerPool,
  nativeProvider,
  streamEngine,
  wasmEngine,
} from "../../src/secure_agg/mod.ts";
import { ByteReader, ByteWriter } from "../../src/secure_agg/_byte_codec.ts";
import { assumedCorrupt, ringIsSafe, smallestRingThreshold } from "../../src/secure_agg/graph_params.ts";
import { checkRoundConfig } from "../../src/secure_agg/round_config_check.ts";
import type { RoundConfig } from "../../src/secure_agg/round_config.ts";
import { isCanonicalX25519 } from "../../src/secure_agg/_x25519_canonical.ts";
import { subsets } from "../../src/secure_agg/_subsets.ts";
import { splitSecret } from "../../src/secure_agg/shamir.ts";
import { cohort, makeClient, plainSum, runRound, testRandom } from "./_harness.ts";

const WORDS = 131_072;

Deno.test("an engine asks for as many bytes of key stream as it has announced, and wipes each piece", () => {
  for (const length of [4096, 32_768, 32_769, 100_000, WORDS, WORDS + 4096]) {
    const announced: number[] = [];
    const asked: number[] = [];
    const given: Uint8Array[] = [];
    const engine = streamEngine({
      ...nativeProvider,
      keyStream: (key, counter, total) => {
        announced.push(total);
        asked.push(0);
        const next = nativeProvider.keyStream(key, counter, total);
        return (bytes) => {
          asked[asked.length - 1] += bytes;
          // A byte longer than the piece, so that its memory is not handed on but can be looked at.
          const stream = new Uint8Array(bytes + 1).subarray(0, bytes);
          stream.set(next(bytes));
          given.push(stream);
          return stream;
        };
      },
    });
    engine.apply(new Uint32Array(length), [{ key: new Uint8Array(32).fill(1), negate: false }], 0);
    assert.deepEqual(asked, announced, `${length}`);
    assert.equal(announced.reduce((a, b) => a + b), 4 * length);
    assert.ok(given.every((stream) => stream.every((byte) => byte === 0)));
  }
});

Deno.test("an engine refuses places between blocks, places beyond the key stream, and keys of another length", () => {
  const key = new Uint8Array(32);
  for (const engine of [wasmEngine(), streamEngine(nativeProvider)]) {
    const apply = (words: number, first: number, job: MaskJob = { key, negate: false }) =>
      engine.apply(new Uint32Array(words), [job], first);
    apply(16, 0);
    apply(16, 16 * (2 ** 32 - 1));
    for (const first of [1, 8, 15, -16, NaN]) assert.throws(() => apply(16, first), RangeError);
    assert.throws(() => apply(32, 16 * (2 ** 32 - 1)), RangeError);
    for (const length of [0, 31, 33]) {
      assert.throws(() => apply(16, 0, { key: new Uint8Array(length), negate: true }), RangeError);
    }
    engine.apply(new Uint32Array(3), [], 5);
  }
});

Deno.test("a Worker of the mask pool that fails ends the call, and closing the pool ends those under way", async () => {
  const broken = maskWorkerPool(2);
  const words = new Uint32Array(1000);
  await assert.rejects(
    broken.apply(words, [{ key: new Uint8Array(31), negate: false }], 0) as Promise<void>,
    /Worker|pool/,
  );
  broken.close();
  const closed = maskWorkerPool(1);
  const pending = closed.apply(words, [{ key: new Uint8Array(32), negate: false }], 0) as Promise<void>;
  const ended = assert.rejects(pending, /the mask pool was closed/);
  closed.close();
  await ended;
  assert.equal(closed.name, "workers-1");
});

Deno.test("the server wipes every mask key when the masks are off", async () => {
  const seen: MaskJob[] = [];
  const plain = wasmEngine();
  const c = cohort(5);
  const { server } = await runRound(c, {
    drops: new Map([[4, "masked_input"]]),
    server: {
      engine: {
        name: "spy",
        apply: (words, jobs, first) => {
          assert.ok(jobs.every(({ key }) => key.some((byte) => byte !== 0)));
          seen.push(...jobs);
          return plain.apply(words, jobs, first);
        },
      },
    },
  });
  assert.deepEqual(server.result!.sum, plainSum(c, [0, 1, 2, 3]));
  assert.equal(seen.length, 4 + 4);
  assert.ok(seen.every(({ key }) => key.every((byte) => byte === 0)));
});

Deno.test("a round ends where its sites are too few, in the phase in which they are", async () => {
  const c = cohort(6, { threshold: 4, nMin: 5 });
  for (
    const [phase, message] of [
      ["advertise_keys", /sites advertised keys/],
      ["share_keys", /sites shared keys/],
      ["masked_input", /sites uploaded a vector/],
    ] as const
  ) {
    const drops = (count: number) => new Map(Array.from({ length: count }, (_, i) => [i, phase]));
    const few = await runRound(c, { drops: drops(2) });
    assert.equal(few.lastClosed, phase);
    assert.equal(few.server.error?.code, "BelowThreshold");
    assert.match(few.server.error!.message, message);
    const enough = await runRound(c, { drops: drops(1) });
    assert.equal(enough.server.phase, "finished", phase);
  }
});

/** The second and third of forty subsets of ten in thirty: the same for everybody, so that a round can be replayed. */
const SAMPLED = ["3,6,7,9,11,12,17,19,21,22", "2,6,7,10,12,15,24,25,26,28"];

Deno.test("subsets() lists all where they are as many as the limit, and as many as the limit where they are more", () => {
  const sizes = (n: number, k: number, limit: number) => {
    const found = [...subsets(Array.from({ length: n }, (_, i) => i), k, limit)];
    for (const subset of found) {
      assert.equal(subset.length, k);
      assert.ok(subset.every((item, i) => i === 0 || item > subset[i - 1]), "in the order of the items");
    }
    return [found.length, new Set(found.map((subset) => subset.join())).size];
  };
  for (
    const [n, k, count] of [[6, 3, 20], [7, 2, 21], [7, 5, 21], [9, 1, 9], [9, 8, 9], [10, 4, 210], [
      12,
      6,
      924,
    ]]
  ) {
    assert.deepEqual(sizes(n, k, count), [count, count], `${n} over ${k}`);
    assert.deepEqual(sizes(n, k, count + 1), [count, count]);
    assert.equal(sizes(n, k, count - 1)[0], count - 1);
  }
  const first = [...subsets(Array.from({ length: 30 }, (_, i) => i), 10, 40)];
  assert.equal(new Set(first.map((subset) => subset.join())).size, 40);
  assert.deepEqual(first.slice(1, 3).map((subset) => subset.join()), SAMPLED);
  // Every item is chosen about as often as any other: 40 * 10 / 30.
  const often = Array.from(
    { length: 30 },
    (_, item) => first.filter((subset) => subset.includes(item)).length,
  );
  assert.ok(Math.min(...often) >= 4 && Math.max(...often) <= 24, often.join());
});

Deno.test("the permutation of the graph draws again where a word would favour some places", () => {
  const permuted = (n: number, words: number[]) => {
    const asked: number[] = [];
    const provider = {
      ...nativeProvider,
      chacha20: (_: Uint8Array, __: Uint8Array, counter: number, length: number) => {
        asked.push(counter);
        return new Uint8Array(new Uint32Array(length / 4).map((_, i) => words[i + 16 * counter] ?? 7).buffer);
      },
    };
    return [[...graphPermutation(provider, new Uint8Array(32), n)], asked];
  };
  // 2^32 = 3 * 1431655765 + 1: of three places the last word is one too many; so are the last two of six.
  assert.deepEqual(permuted(3, [2 ** 32 - 1, 4, 1]), permuted(3, [4, 1]));
  assert.notDeepEqual(permuted(3, [2 ** 32 - 2, 4, 1]), permuted(3, [4, 1]));
  for (const word of [2 ** 32 - 1, 2 ** 32 - 4]) {
    assert.deepEqual(permuted(6, [word, 4, 1, 9, 3, 5]), permuted(6, [4, 1, 9, 3, 5]));
  }
  assert.deepEqual(permuted(3, [1, 0])[0], [2, 0, 1]);
  // One block of sixteen words is enough for eight sites; when all are rejected the next block is drawn.
  assert.deepEqual(permuted(3, new Array<number>(16).fill(2 ** 32 - 1))[1], [0, 1]);
});

Deno.test("as many sites count as corrupt as gamma says, rounded down but for rounding, or as collude", () => {
  const corrupt = (n: number, gammaMillionths: number, colluders = 0) =>
    assumedCorrupt(n, { profile: "strict", gammaMillionths, colluders });
  assert.deepEqual([corrupt(1, 999_999), corrupt(2, 500_000), corrupt(2, 499_999)], [0, 1, 0]);
  assert.deepEqual([corrupt(1000, 100_000), corrupt(999, 100_000), corrupt(10, 0), corrupt(10, 0, 3)], [
    100,
    99,
    0,
    3,
  ]);
  assert.deepEqual([corrupt(100, 290_000), corrupt(10, 100_000, 2)], [29, 2]);
});

Deno.test("thresholds and fewest survivors follow from the cohort as documented", () => {
  const sizes = [2, 3, 4, 5, 6, 7, 10, 100];
  assert.deepEqual(sizes.map((n) => defaultThreshold(n, "curious")), [2, 2, 3, 3, 4, 4, 6, 51]);
  assert.deepEqual(sizes.map((n) => defaultThreshold(n, "strict")), [2, 3, 3, 4, 5, 5, 7, 67]);
  assert.deepEqual(sizes.map((n) => defaultMinimumSurvivors(n, 2)), [3, 3, 3, 3, 5, 6, 8, 80]);
  assert.deepEqual([defaultMinimumSurvivors(5, 4), defaultMinimumSurvivors(10, 9)], [4, 9]);
  const { nMin } = graphParams({ n: 1000, profile: "strict" });
  assert.deepEqual([nMin, graphParams({ n: 1000, profile: "strict", delta: 0.05 }).nMin], [900, 950]);
  for (const profile of ["strict", "curious"] as const) {
    const config = { profile, gammaMillionths: 100_000, colluders: 0 };
    const least = smallestRingThreshold(300, 114, config);
    assert.equal(ringIsSafe(300, 114, { ...config, threshold: least }), true);
    assert.equal(ringIsSafe(300, 114, { ...config, threshold: least - 1 }), false);
  }
  // Nobody corrupt: one share would do, and a secret is never shared with fewer than two.
  assert.equal(
    smallestRingThreshold(300, 60, { profile: "curious", gammaMillionths: 0, colluders: 0 }),
    2,
  );
  assert.deepEqual(
    (["strict", "curious"] as const).map((profile) =>
      [100, 300, 1000].map((n) =>
        smallestRingThreshold(n, 60, { profile, gammaMillionths: 100_000, colluders: 0 })
      )
    ),
    RING_THRESHOLDS,
  );
  const small = (n: number, dimension?: number) =>
    graphParams({ n, profile: "strict", ...(dimension === undefined ? {} : { dimension }) }).graph.kind;
  assert.deepEqual([small(64, 1e9), small(65, 1_000_001), small(65, 1_000_000), small(255), small(256)], [
    ...["full", "ring", "full", "full", "ring"],
  ]);
});

/** Targeted dropouts at 80 bits, and random ones at 40, by exact hypergeometric tails in rational arithmetic. */
const RING_THRESHOLDS = [[41, 56, 59], [11, 26, 30]];

Deno.test("numbers of messages keep their bytes up to 2^53 - 1, and texts up to 255 bytes", () => {
  for (const value of [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER]) {
    assert.equal(new ByteReader(new ByteWriter().uint64(value).finish()).uint64(), value);
  }
  for (const high of [2 ** 21, 2 ** 32 - 1]) {
    const bytes = new ByteWriter().uint(4, 0).uint(4, high).finish();
    assert.throws(() => new ByteReader(bytes).uint64(), { reason: "malformed_message" });
  }
  for (const size of [1, 2, 4] as const) {
    const most = 2 ** (8 * size) - 1;
    assert.equal(new ByteReader(new ByteWriter().uint(size, most).finish()).uint(size), most);
    for (const value of [most + 1, -1, NaN]) {
      assert.throws(() => new ByteWriter().uint(size, value), RangeError);
    }
    assert.throws(() => new ByteReader(new Uint8Array(size - 1)).uint(size), { reason: "malformed_message" });
  }
  for (const text of ["", "a", "x".repeat(255), "ä".repeat(127), "a\uFEFF", "\uFEFFb"]) {
    const bytes = new ByteWriter(1).text(text).finish();
    assert.equal(bytes.length, 1 + new TextEncoder().encode(text).length);
    assert.equal(new ByteReader(bytes).text(), text);
  }
  for (const text of ["x".repeat(256), "ä".repeat(128)]) {
    assert.throws(() => new ByteWriter().text(text), RangeError);
  }
  assert.throws(() => new ByteReader(Uint8Array.of(2, 0xc3, 0x28)).text(), { reason: "malformed_message" });
  assert.throws(() => new ByteReader(Uint8Array.of(3, 65, 66)).text(), { reason: "malformed_message" });
  const reader = new ByteReader(Uint8Array.of(1, 2, 3));
  assert.deepEqual([reader.left, [...reader.raw(2)], reader.left], [3, [1, 2], 1]);
  assert.throws(() => reader.raw(2), { reason: "malformed_message" });
  assert.throws(() => reader.end(), { reason: "malformed_message" });
  assert.deepEqual([...reader.copy(1)], [3]);
  reader.end();
  const writer = new ByteWriter(2).uint(1, 7).uint(4, 0).raw(Uint8Array.of(9));
  assert.deepEqual([...writer.patchUint32(1, 0x04030201).finish()], [7, 1, 2, 3, 4, 9]);
  assert.equal(writer.length, 6);
});

Deno.test("a round's configuration is read up to its bounds and no further", () => {
  const base = cohort(10).config;
  const check = (change: Partial<RoundConfig>) => checkRoundConfig({ ...base, ...change });
  const limits: Readonly<Record<string, readonly [low: number, high: number, more?: Partial<RoundConfig>]>> =
    {
      roundId: [0, Number.MAX_SAFE_INTEGER],
      dimension: [1, 2 ** 31],
      chunkCoordinates: [16, 2 ** 28],
      ringBits: [8, 32, { coordinateBound: 1 }],
      coordinateBound: [1, Math.floor((2 ** 31 - 1) / 10)],
      nMin: [7, 10],
      threshold: [6, 8],
      colluders: [1, 3],
      gammaMillionths: [0, 999_999],
    };
  for (const [name, [low, high, more = {}]] of Object.entries(limits)) {
    for (const value of [low, high]) {
      check({ ...more, [name]: value });
      const config = { ...base, ...more, [name]: value };
      assert.deepEqual(decodeRoundConfig(encodeRoundConfig(config)), config, name);
    }
    const step = name === "chunkCoordinates" ? 16 : 1;
    for (const value of [low - step, high + step, low + 0.5, NaN, Infinity]) {
      assert.throws(() => check({ ...more, [name]: value }), { code: "ConfigError" }, `${name} = ${value}`);
    }
  }
  assert.throws(() => check({ chunkCoordinates: 24 }), { code: "ConfigError" });
  // The curious profile goes down to two sites, without colluders.
  const two = cohort(2, { profile: "curious", threshold: 2, nMin: 2 }).config;
  assert.deepEqual([two.nMax, two.colluders], [2, 0]);
  for (const change of [{ nMax: 1 }, { nMin: 1 }, { threshold: 1 }, { colluders: -1 }, { colluders: 2 }]) {
    assert.throws(
      () => checkRoundConfig({ ...two, ...change }),
      { code: "ConfigError" },
      JSON.stringify(change),
    );
  }
  checkRoundConfig({ ...two, colluders: 1 });
  check({ taskId: "x".repeat(255) });
  check({ ringBits: 20, coordinateBound: 1000, wireForm: "packed20" });
  assert.throws(() => check({ ringBits: 21, coordinateBound: 1000, wireForm: "packed20" }), {
    code: "ConfigError",
  });
  assert.throws(() => check({ taskId: "\ud800" }), { code: "ConfigError" });
});

Deno.test("secrets are drawn from a source that gives what it is asked for and does not repeat one byte", () => {
  for (const [length, fill] of [[16, 5], [32, 0], [32, 255]]) {
    assert.throws(() => generateIdentity("a", () => new Uint8Array(length).fill(fill)), {
      reason: "bad_randomness",
    });
  }
  assert.throws(() => generateIdentity("a", () => testRandom("x")(31)), { reason: "bad_randomness" });
  assert.equal(generateIdentity("a", testRandom("x")).publicKey.length, 32);
  // Fifteen equal bytes may be chance; sixteen are none.
  const short = splitSecret(new Uint8Array(4).fill(1), 4, 5, (n) => new Uint8Array(n).fill(7));
  assert.equal(short.length, 5);
  assert.throws(() => splitSecret(new Uint8Array(4).fill(1), 5, 6, (n) => new Uint8Array(n).fill(7)), {
    reason: "bad_randomness",
  });
});

Deno.test("a message is refused whatever single byte of its header is another one", () => {
  const bytes = makeClient(cohort(5), 0).begin();
  assert.deepEqual(encodeMessage(decodeMessage(bytes)), bytes);
  for (let at = 0; at < 9; at++) {
    for (const flip of [1, 2, 128]) {
      const changed = bytes.with(at, bytes[at] ^ flip);
      try {
        assert.notEqual(decodeMessage(changed).type, "advertise_keys");
      } catch (error) {
        const { reason } = error as { reason: string };
        assert.equal(reason, at === 4 ? "unsupported_version" : "malformed_message", `byte ${at}`);
      }
    }
  }
  for (let length = 0; length < bytes.length; length += 7) {
    assert.throws(() => decodeMessage(bytes.subarray(0, length)), { reason: "malformed_message" });
  }
});

Deno.test("an X25519 key is canonical below 2^255 - 19, and from there on not", () => {
  const key = (first: number, middle: number, last: number) =>
    new Uint8Array(32).fill(middle).with(0, first).with(31, last);
  for (const good of [key(0xec, 0xff, 0x7f), key(0xff, 0xff, 0x7e), key(0xff, 0xfe, 0x7f), key(0, 0, 0)]) {
    assert.equal(isCanonicalX25519(good), true);
  }
  for (let byte = 1; byte < 31; byte++) {
    assert.equal(isCanonicalX25519(key(0xff, 0xff, 0x7f).with(byte, 0xfe)), true);
  }
  for (
    const bad of [
      key(0xed, 0xff, 0x7f),
      key(0xff, 0xff, 0x7f),
      key(0, 0, 0x80),
      new Uint8Array(31),
      new Uint8Array(33),
    ]
  ) {
    assert.equal(isCanonicalX25519(bad), false);
  }
});
