import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  encodeMessage,
  graphParams,
  IndexSet,
  makeRoundConfig,
  type MaskJob,
  nativeProvider,
  randomDropoutRing,
  SecAggServer,
  streamEngine,
  targetedDropoutRing,
} from "../../src/secure_agg/mod.ts";
import {
  compareBytes,
  concatBytes,
  equalBytes,
  prefix48,
  toHex,
  u16,
  u32,
  utf8,
  writeU16,
} from "../../src/secure_agg/_bytes.ts";
import { sitesOfTask, split } from "../../src/secure_agg/_simulated_pool.ts";
import { BlameLedger } from "../../src/secure_agg/blame.ts";
import { findPeer } from "../../src/secure_agg/_server_checks.ts";
import { framed, taggedHash } from "../../src/secure_agg/_tagged_hash.ts";
import { gf256 } from "../../src/secure_agg/gf256.ts";
import { gf65536 } from "../../src/secure_agg/gf65536.ts";
import {
  hypergeometricPmf,
  logChoose,
  lowerQuantile,
  upperQuantile,
} from "../../src/secure_agg/hypergeometric.ts";
import { chunkCount, chunkRange } from "../../src/secure_agg/round_config.ts";
import { checkRoundConfig } from "../../src/secure_agg/round_config_check.ts";
import { pieceWords } from "../../src/secure_agg/mask_worker_pool.ts";
import { cohort, makeClient, runRound } from "./_harness.ts";

Deno.test("byte strings are compared by every byte, from the first to the last, and by their length", () => {
  const base = Uint8Array.of(5, 5, 5, 5);
  for (let at = 0; at < 4; at++) {
    assert.equal(Math.sign(compareBytes(base, base.with(at, 6))), -1);
    assert.equal(Math.sign(compareBytes(base, base.with(at, 4))), 1);
    for (const other of [4, 7, 255, 1]) assert.equal(equalBytes(base, base.with(at, other)), false);
    // The first difference decides.
    if (at > 0) assert.equal(Math.sign(compareBytes(base.with(at - 1, 4), base.with(at, 4))), -1);
  }
  assert.equal(compareBytes(base, base.slice()), 0);
  assert.equal(Math.sign(compareBytes(base, base.subarray(0, 3))), 1);
  assert.equal(Math.sign(compareBytes(base.subarray(0, 3), base)), -1);
  assert.equal(Math.sign(compareBytes(new Uint8Array(0), base)), -1);
  assert.equal(equalBytes(base, base.slice()), true);
  assert.equal(equalBytes(base, base.subarray(0, 3)), false);
  assert.equal(equalBytes(new Uint8Array(0), new Uint8Array(0)), true);
  assert.deepEqual(concatBytes(), new Uint8Array(0));
  assert.deepEqual([...concatBytes(base, new Uint8Array(0), Uint8Array.of(1))], [5, 5, 5, 5, 1]);
  assert.equal(
    toHex(Uint8Array.from({ length: 256 }, (_, i) => i)),
    Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0")).join(""),
  );
  for (const text of ["", "a", "\x7f", "\x80", "é~", "~é", "x\u20ac", "\ud83d\ude00"]) {
    assert.deepEqual(utf8(text), new TextEncoder().encode(text), text);
  }
});

Deno.test("findPeer() finds each peer of an ascending list, and nobody else", () => {
  for (let length = 0; length < 9; length++) {
    const items = Array.from({ length }, (_, i) => ({ peer: 2 * i + 1 }));
    for (let peer = 0; peer < 2 * length + 3; peer++) {
      const wanted = peer % 2 === 1 && peer < 2 * length ? items[(peer - 1) / 2] : undefined;
      assert.equal(findPeer(items, peer), wanted);
    }
  }
});

Deno.test("the tables of both fields hold every product and every inverse", () => {
  for (const [field, polynomial] of [[gf256, 0x11b], [gf65536, 0x1100b]] as const) {
    const size = 2 ** field.bits;
    const slow = (a: number, b: number): number => {
      let product = 0;
      for (let bit = field.bits - 1; bit >= 0; bit--) {
        product = product * 2;
        if (product >= size) product = (product ^ polynomial) >>> 0;
        if ((b >>> bit) & 1) product ^= a;
      }
      return product;
    };
    const some = size === 256
      ? Array.from({ length: 256 }, (_, i) => i)
      : [0, 1, 2, 3, 255, 256, 4097, 40_000, size - 1];
    for (const a of some) {
      for (const b of some) assert.equal(field.multiply(a, b), slow(a, b), `${a} times ${b}`);
      if (a > 0) assert.equal(slow(a, field.inverse(a)), 1, `1 / ${a}`);
    }
    // Elements are packed in words: each is doubled by itself.
    const lanes = 32 / field.bits;
    const word = Array.from({ length: lanes }, (_, i) =>
      (size - 1 - 37 * i) * size ** i).reduce((x, y) => x + y) | 0;
    const doubled = field.doubleWord(word) >>> 0;
    for (let i = 0; i < lanes; i++) {
      assert.equal(Math.floor(doubled / size ** i) % size, slow(size - 1 - 37 * i, 2));
    }
  }
});

Deno.test("prefix48() is one number for the first six bytes, and another one for any other six", () => {
  assert.equal(prefix48(Uint8Array.of(1, 0, 0, 0, 0, 0, 9)), 2 ** 24);
  assert.equal(prefix48(Uint8Array.of(0, 1, 0, 0, 0, 0)), 2 ** 32);
  assert.equal(prefix48(Uint8Array.of(0, 0, 1, 0, 0, 0)), 2 ** 40);
  assert.equal(prefix48(Uint8Array.of(0, 0, 0, 1, 0, 0)), 1);
  assert.equal(prefix48(Uint8Array.of(0, 0, 0, 0, 1, 0)), 2 ** 8);
  assert.equal(prefix48(Uint8Array.of(0, 0, 0, 0, 0, 1)), 2 ** 16);
  assert.equal(prefix48(new Uint8Array(6).fill(255)), 2 ** 48 - 1);
});

Deno.test("the pieces of a Worker are whole blocks of ChaCha20, one for each Worker, 2^18 words at most", () => {
  assert.deepEqual([pieceWords(1, 3), pieceWords(48, 3), pieceWords(49, 3), pieceWords(100_000, 2)], [
    ...[16, 16, 32, 50_000],
  ]);
  assert.deepEqual([pieceWords(2 ** 19, 2), pieceWords(2 ** 19 + 1, 2), pieceWords(1e9, 1)], [
    ...[2 ** 18, 2 ** 18, 2 ** 18],
  ]);
});

Deno.test("a Worker of a simulation gets up to eight sites at a time, and 2^17 words of vectors", () => {
  assert.deepEqual([1, 16_384, 16_385, 2 ** 16, 2 ** 16 + 1, 2 ** 17 + 1].map(sitesOfTask), [
    8,
    8,
    7,
    2,
    1,
    1,
  ]);
  assert.deepEqual(split([1, 2, 3, 4, 5, 6, 7], 3), [[1, 2], [3, 4], [5, 6, 7]]);
  assert.deepEqual(split([1, 2], 1), [[1, 2]]);
  assert.deepEqual(split([1, 2], 3), [[], [1], [2]]);
});

Deno.test("framed() puts the length of every part before it, in four bytes", () => {
  const label = utf8("FedKIM/SA1/x");
  for (const length of [0, 1, 255, 256, 65_536 + 7, 2 ** 24 + 5]) {
    const part = new Uint8Array(length).fill(3);
    const whole = createHash("sha256").update(u16(label.length)).update(label)
      .update(u32(length)).update(part).update(u32(2)).update(u16(0x0102)).digest("hex");
    assert.equal(createHash("sha256").update(framed("x", part, u16(0x0102))).digest("hex"), whole);
    assert.equal(toHex(nativeProvider.sha256(framed("x", part, u16(0x0102)))), whole);
    assert.deepEqual(
      taggedHash(nativeProvider, "x", part),
      nativeProvider.sha256(framed("x", part)),
    );
  }
  const long = "y".repeat(300);
  assert.deepEqual([...framed(long).subarray(0, 2)], [...u16(11 + 300)]);
});

Deno.test("numbers are little-endian bytes in u16(), u32() and writeU16()", () => {
  assert.deepEqual([...u16(0x1234)], [0x34, 0x12]);
  assert.deepEqual([...u32(0x89abcdef)], [0xef, 0xcd, 0xab, 0x89]);
  const target = new Uint8Array(6).fill(7);
  writeU16(target, 3, 0xfedc);
  assert.deepEqual([...target], [7, 7, 7, 0xdc, 0xfe, 7]);
});

Deno.test("a stream engine asks for 2^17 words of key stream at a time, in pieces of 2^15, and not below 2^12 words", () => {
  const asked: [counter: number, bytes: number][] = [];
  const pieces: number[] = [];
  const engine = streamEngine({
    ...nativeProvider,
    keyStream: (key, counter, total) => {
      asked.push([counter, total]);
      const next = nativeProvider.keyStream(key, counter, total);
      return (bytes) => (pieces.push(bytes), next(bytes));
    },
  });
  const jobs: MaskJob[] = [{ key: new Uint8Array(32).fill(1), negate: false }];
  const apply = (words: number, first: number) => {
    asked.length = pieces.length = 0;
    engine.apply(new Uint32Array(words), jobs, first);
  };
  apply(4095, 0);
  assert.deepEqual([asked, pieces], [[], []]);
  apply(4096, 64);
  assert.deepEqual([asked, pieces], [[[4, 16_384]], [16_384]]);
  apply(2 ** 17 + 2 ** 15 + 1, 32);
  const block = 4 * 2 ** 15;
  assert.deepEqual(asked, [[2, 4 * block], [2 + 2 ** 13, block + 4]]);
  assert.deepEqual(pieces, [block, block, block, block, block, 4]);
});

Deno.test("quantiles include a chance that is exactly the one asked for", () => {
  const [total, marked, draws] = [40, 12, 9];
  const pmf = (x: number) => hypergeometricPmf(total, marked, draws, x);
  for (let x = 0; x < 9; x++) {
    let above = 0;
    for (let y = 9; y > x; y--) above += pmf(y);
    assert.equal(upperQuantile(total, marked, draws, above), x);
    let below = 0;
    for (let y = 0; y <= x; y++) below += pmf(y);
    assert.equal(lowerQuantile(total, marked, draws, below), x + 1);
  }
  // Where even the smallest number is too likely to be missed, and where nothing can be.
  assert.equal(upperQuantile(total, marked, draws, 2), -1);
  assert.equal(lowerQuantile(total, marked, draws, 2), 10);
  assert.equal(lowerQuantile(10, 8, 9, 0), 7);
  assert.equal(upperQuantile(10, 8, 9, 0), 8);
  assert.deepEqual([logChoose(5, -1), logChoose(5, 6), logChoose(5, 0), logChoose(5, 5)], [
    ...[-Infinity, -Infinity, 0, 0],
  ]);
});

Deno.test("an IndexSet holds integers from 0 to below its capacity, and nothing that wraps around to them", () => {
  for (const capacity of [1, 7, 8, 9, 16]) {
    const all = IndexSet.of(capacity, Array.from({ length: capacity }, (_, i) => i));
    assert.equal(all.size, capacity);
    assert.equal(all.toBytes().length, Math.ceil(capacity / 8));
    for (let i = 0; i < capacity; i++) assert.equal(all.has(i), true);
    for (const i of [-1, capacity, 2 ** 32, -(2 ** 32), NaN, 100]) assert.equal(all.has(i), false, `${i}`);
    assert.deepEqual([...all], Array.from({ length: capacity }, (_, i) => i));
    assert.equal(all.isSubsetOf(IndexSet.of(capacity, [0])), capacity === 1);
    assert.equal(IndexSet.of(capacity, [0]).isSubsetOf(all), true);
    for (const length of [Math.ceil(capacity / 8) - 1, Math.ceil(capacity / 8) + 1]) {
      assert.throws(() => IndexSet.fromBytes(capacity, new Uint8Array(length)), {
        reason: "malformed_message",
      });
    }
    if (capacity % 8 !== 0) {
      const spare = IndexSet.of(capacity, []).toBytes();
      spare[spare.length - 1] = 1 << (capacity % 8);
      assert.throws(() => IndexSet.fromBytes(capacity, spare), { reason: "malformed_message" });
    }
  }
  // A larger set is no subset of a smaller one, even where their first bytes agree.
  assert.equal(IndexSet.of(16, [9]).isSubsetOf(IndexSet.of(8, [1])), false);
});

Deno.test("client and server both refuse a round whose configuration is unsafe before they say anything", () => {
  const c = cohort(6);
  const unsafe = { ...c, config: { ...c.config, threshold: 2 } };
  assert.throws(() => makeClient(unsafe, 0), { code: "ConfigError" });
  assert.throws(() => new SecAggServer({ config: unsafe.config, enrolled: c.enrolled }), {
    code: "ConfigError",
  });
  makeClient(c, 0);
});

Deno.test("a ring of the curious profile needs two survivors, although its threshold asks for no more", () => {
  const { graph, threshold } = graphParams({ n: 300, profile: "curious" });
  const base = {
    ...cohort(3).config,
    profile: "curious",
    nMax: 300,
    colluders: 0,
    graph,
    threshold,
  } as const;
  checkRoundConfig({ ...base, nMin: 2 });
  assert.throws(() => checkRoundConfig({ ...base, nMin: 1 }), { code: "ConfigError" });
});

Deno.test("a ring has an even degree from 2 to two below its sites, and a threshold up to its degree", () => {
  const base = {
    ...cohort(3).config,
    profile: "curious",
    nMax: 301,
    nMin: 250,
    colluders: 0,
    gammaMillionths: 0,
  } as const;
  const check = (degree: number, threshold: number) =>
    checkRoundConfig({ ...base, graph: { kind: "ring", degree }, threshold });
  for (const [degree, threshold] of [[2, 2], [298, 250], [298, 298], [100, 2]]) check(degree, threshold);
  for (
    const [degree, threshold] of [[0, 2], [1, 2], [3, 2], [299, 250], [300, 250], [302, 250], [100, 101], [
      100,
      1,
    ]]
  ) {
    assert.throws(() => check(degree, threshold), { code: "ConfigError" }, `${degree}, ${threshold}`);
  }
});

Deno.test("a phase is closed once at a time, nothing is taken meanwhile, and a round that is over cannot be closed", async () => {
  const c = cohort(4);
  const server = new SecAggServer({ config: c.config, enrolled: c.enrolled });
  const adverts = c.ids.map((_, i) => makeClient(c, i).begin());
  adverts.slice(1).forEach((bytes, i) => server.receive(c.ids[i + 1].id, bytes));
  const closing = server.close();
  assert.deepEqual(server.receive(c.ids[0].id, adverts[0]), { kind: "busy" });
  await assert.rejects(server.close(), { code: "UnexpectedMessage" });
  await closing;
  const { server: finished } = await runRound(c);
  assert.equal(finished.phase, "finished");
  await assert.rejects(finished.close(), { code: "UnexpectedMessage" });
  const { server: aborted } = await runRound(c, { drops: new Map([[0, "share_keys"], [1, "share_keys"]]) });
  assert.equal(aborted.phase, "aborted");
  await assert.rejects(aborted.close(), { code: "UnexpectedMessage" });
});

Deno.test("rings of either kind are those that were found when the published tables were last met", () => {
  const found = [70, 100, 150, 300, 301, 500, 1000, 3000].map((n) =>
    ([[0.1, 0.1], [0.05, 0.3], [0.2, 0.05], [0, 0.2]] as const).map(([gamma, delta]) => {
      const a = { n, gamma, delta, sigma: 40, eta: 20 };
      return [randomDropoutRing(a, false), randomDropoutRing(a, true), targetedDropoutRing(a)].map((ring) =>
        ring === undefined ? "full" : `${ring.degree}/${ring.threshold}/${ring.largestThreshold}`
      ).join(" ");
    })
  );
  assert.deepEqual(found, RINGS);
});

Deno.test("what a configuration leaves out is filled in as documented", () => {
  const { config } = cohort(10);
  const { nMax, taskId, roundId, enrolledHash, modelHash, planHash } = config;
  const fields = {
    nMax,
    taskId,
    roundId,
    enrolledHash,
    modelHash,
    planHash,
    dimension: 40_000,
    coordinateBound: 5,
  };
  const filled = makeRoundConfig(fields);
  assert.deepEqual(
    [filled.profile, filled.graph, filled.threshold, filled.nMin, filled.colluders, filled.gammaMillionths],
    ["strict", { kind: "full" }, 7, 8, 1, 100_000],
  );
  assert.deepEqual([filled.ringBits, filled.wireForm], [32, "word32"]);
  assert.equal(makeRoundConfig({ ...fields, gamma: 0.123456 }).gammaMillionths, 123_456);
  assert.equal(makeRoundConfig({ ...fields, gamma: 0.0000004 }).gammaMillionths, 0);
  const curious = makeRoundConfig({ ...fields, profile: "curious" });
  assert.deepEqual([curious.threshold, curious.nMin, curious.colluders], [6, 8, 0]);
  const chunks = filled.chunkCoordinates;
  assert.equal(chunkCount({ ...filled, dimension: 2 * chunks }), 2);
  assert.equal(chunkCount({ ...filled, dimension: 2 * chunks + 1 }), 3);
  assert.deepEqual(chunkRange({ ...filled, dimension: 2 * chunks + 1 }, 2), { start: 2 * chunks, length: 1 });
  assert.deepEqual(chunkRange({ ...filled, dimension: 2 * chunks + 1 }, 1), {
    start: chunks,
    length: chunks,
  });
});

Deno.test("a client that has given up says why again, and sends nothing more", async () => {
  const c = cohort(4);
  const client = makeClient(c, 0);
  client.begin();
  const gone = await client.receive(encodeMessage({ type: "abort", code: "X", reason: "y" }));
  assert.equal(gone.kind, "abort");
  for (const bytes of [encodeMessage({ type: "abort", code: "Z", reason: "z" }), new Uint8Array(3)]) {
    const again = await client.receive(bytes);
    assert.ok(again.kind === "abort" && gone.kind === "abort");
    assert.equal(again.error, gone.error);
    assert.deepEqual([...again.outbound], []);
  }
});

Deno.test("a holder that is wrong as often as its dealer is the one that is named", () => {
  const ledger = new BlameLedger();
  for (const [dealer, holder] of [[5, 1], [6, 1], [5, 2]]) ledger.record(dealer, holder);
  const roles = ledger.blame(String).map(({ clientId, role, wrongShares }) =>
    `${clientId} ${role} ${wrongShares}`
  );
  assert.deepEqual(roles, ["1 holder 2", "5 dealer 2"]);
  const dealer = new BlameLedger();
  for (const holder of [1, 2, 3]) dealer.record(9, holder);
  dealer.record(8, 1);
  assert.deepEqual(dealer.blame(String).map(({ clientId, role }) => `${clientId} ${role}`), [
    "9 dealer",
    "1 holder",
  ]);
});

/** Degree, threshold and largest threshold, by size of the cohort and fractions of corrupt and dropped sites. */
const RINGS: readonly (readonly string[])[] = [[
  "16/8/9 22/15/15 30/23/23",
  "24/4/7 46/25/25 50/29/29",
  "18/15/15 22/19/19 36/33/33",
  "16/2/4 30/16/16 30/16/16",
], [
  "22/11/12 32/22/22 42/32/32",
  "26/6/7 66/36/36 72/42/42",
  "26/20/21 32/27/27 50/45/45",
  "18/2/5 38/20/20 38/20/20",
], [
  "28/16/16 44/30/30 62/47/47",
  "30/8/8 92/50/50 104/60/60",
  "32/24/25 42/35/35 62/55/55",
  "20/2/5 46/24/24 46/24/24",
], [
  "36/21/21 66/46/46 94/70/70",
  "48/16/16 152/84/84 186/109/109",
  "44/31/32 64/51/51 94/79/79",
  "24/2/7 60/31/31 60/31/31",
], [
  "36/21/21 66/46/46 94/70/70",
  "48/16/16 152/84/84 186/109/109",
  "44/31/32 64/51/51 94/79/79",
  "22/2/6 60/31/31 60/31/31",
], [
  "42/24/24 82/57/57 112/83/83",
  "58/20/20 212/119/119 276/164/164",
  "48/34/35 76/60/60 112/93/93",
  "24/2/6 68/35/35 68/35/35",
], [
  "48/27/28 96/67/67 132/97/97",
  "66/23/23 314/179/179 392/232/232",
  "52/37/37 90/71/71 130/107/107",
  "26/2/7 76/39/39 76/39/39",
], [
  "50/29/29 112/78/78 154/113/113",
  "76/27/27 432/247/247 550/324/324",
  "58/41/41 106/83/83 152/124/124",
  "28/2/7 86/44/44 86/44/44",
]];
