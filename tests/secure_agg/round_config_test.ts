import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeRoundConfig,
  defaultThreshold,
  encodeRoundConfig,
  FedKimError,
  makeRoundConfig,
  type RoundConfig,
  roundConfigHash,
} from "../../src/secure_agg/mod.ts";
import { cohort } from "./_harness.ts";

const base = cohort(10).config;

function refused(change: Partial<RoundConfig>, pattern: RegExp): void {
  assert.throws(
    () => makeRoundConfig({ ...base, ...change }),
    (error: unknown) =>
      error instanceof FedKimError && error.code === "ConfigError" && pattern.test(error.message),
    JSON.stringify(change),
  );
}

Deno.test("a configuration that could overflow the ring is refused with bits needed, bits available, three remedies", () => {
  assert.throws(
    () => makeRoundConfig({ ...base, ringBits: 20, coordinateBound: 60_000, wireForm: "packed20" }),
    (error: unknown) => {
      assert.ok(error instanceof FedKimError);
      assert.equal(error.details.reason, "ring_overflow");
      assert.match(error.details.found!, /10 \* 60000, which needs 21 bits/);
      assert.match(error.details.needed!, /20 bits available/);
      assert.match(error.details.remedy!, /ringBits >= 21/);
      assert.match(error.details.remedy!, /coordinateBound <= 52428/);
      assert.match(error.details.remedy!, /at most 8 sites/);
      return true;
    },
  );
});

Deno.test("the overflow check is exact: the largest bound passes and the next one is refused", () => {
  fc.assert(
    fc.property(fc.integer({ min: 8, max: 32 }), fc.integer({ min: 3, max: 50 }), (ringBits, nMax) => {
      const largest = Math.floor((2 ** (ringBits - 1) - 1) / nMax);
      const fields = { ...base, ringBits, nMax, threshold: defaultThreshold(nMax, "strict"), nMin: nMax };
      assert.doesNotThrow(() => makeRoundConfig({ ...fields, coordinateBound: largest }));
      assert.throws(() => makeRoundConfig({ ...fields, coordinateBound: largest + 1 }), /bits/);
    }),
  );
});

Deno.test("a configuration is refused for every unsafe or meaningless field", () => {
  refused({ threshold: 5 }, /2 \* threshold > nMax \+ colluders/);
  refused({ colluders: 4 }, /2 \* threshold > nMax \+ colluders/);
  refused({ colluders: 0 }, /colluders = 0/);
  refused({ threshold: 10, nMin: 8 }, /threshold <= nMin/);
  refused({ nMin: 11 }, /nMin = 11/);
  refused({ nMin: 2, threshold: 2, nMax: 2 }, /nMax = 2/);
  refused({ nMin: 2 }, /nMin = 2/);
  refused({ threshold: 1 }, /threshold = 1/);
  refused({ dimension: 0 }, /dimension = 0/);
  refused({ dimension: 2.5 }, /dimension = 2.5/);
  refused({ dimension: NaN }, /dimension = NaN/);
  refused({ ringBits: 33 }, /ringBits = 33/);
  refused({ ringBits: 7 }, /ringBits = 7/);
  refused({ wireForm: "packed20" }, /packed20/);
  refused({ chunkCoordinates: 24 }, /multiple of 16/);
  refused({ chunkCoordinates: 0 }, /chunkCoordinates = 0/);
  refused({ roundId: -1 }, /roundId = -1/);
  refused({ roundId: 2 ** 53 }, /roundId/);
  refused({ taskId: "x".repeat(256) }, /taskId/);
  refused({ modelHash: new Uint8Array(31) }, /modelHash/);
  refused({ planHash: new Uint8Array(0) }, /planHash/);
  refused({ enrolledHash: new Uint8Array(33) }, /enrolledHash/);
  refused({ coordinateBound: 0 }, /coordinateBound = 0/);
  refused({ coordinateBound: Infinity }, /coordinateBound = Infinity/);
  refused({ nMax: 70_000 }, /nMax = 70000/);
});

Deno.test("a ring is refused unless degree and threshold are private for the cohort", () => {
  const ring = { nMax: 300, nMin: 270, graph: { kind: "ring", degree: 114 }, threshold: 88 } as const;
  assert.doesNotThrow(() => makeRoundConfig({ ...base, ...ring }));
  refused({ ...ring, threshold: 87 }, /threshold >= 88/);
  refused({ ...ring, graph: { kind: "ring", degree: 113 } }, /even/);
  refused({ ...ring, graph: { kind: "ring", degree: 299 } }, /degree/);
  refused({ ...ring, gammaMillionths: 200_000 }, /20 % of them corrupt/);
  refused({ ...ring, threshold: 115 }, /threshold = 115/);
});

Deno.test("decodeRoundConfig() gives back what was encoded, and refuses truncated, longer or unknown bytes", () => {
  const bytes = encodeRoundConfig(base);
  assert.deepEqual(decodeRoundConfig(bytes), base);
  const ring = makeRoundConfig({
    ...base,
    nMax: 300,
    nMin: 270,
    graph: { kind: "ring", degree: 114 },
    threshold: 88,
  });
  assert.deepEqual(decodeRoundConfig(encodeRoundConfig(ring)), ring);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decodeRoundConfig(bytes.subarray(0, length)), FedKimError);
  }
  assert.throws(() => decodeRoundConfig(Uint8Array.of(...bytes, 0)), FedKimError);
  assert.throws(() => decodeRoundConfig(bytes.with(0, 2)), /version 2/);
  assert.throws(() => decodeRoundConfig(bytes.with(0, 0)), /version 0/);
  for (let i = 0; i < bytes.length; i++) {
    for (const flip of [1, 128, 255]) {
      try {
        assert.notDeepEqual(decodeRoundConfig(bytes.with(i, bytes[i] ^ flip)), base);
      } catch (error) {
        assert.ok(error instanceof FedKimError, `byte ${i}`);
      }
    }
  }
});

Deno.test("every field of the configuration changes its hash", () => {
  const changes: Partial<RoundConfig>[] = [
    { taskId: "other" },
    { roundId: 8 },
    { profile: "default" },
    { threshold: 8 },
    { nMin: 9 },
    { nMax: 11 },
    { colluders: 2 },
    { gammaMillionths: 100_001 },
    { enrolledHash: new Uint8Array(32) },
    { modelHash: new Uint8Array(32) },
    { planHash: new Uint8Array(32) },
    { dimension: 38 },
    { ringBits: 31 },
    { wireForm: "packed20" },
    { chunkCoordinates: 32 },
    { coordinateBound: 1001 },
    { graph: { kind: "ring", degree: 4 } },
  ];
  assert.equal(changes.length, Object.keys(base).length);
  const hashes = [base, ...changes.map((change) => ({ ...base, ...change }))].map((c) =>
    roundConfigHash(c).join()
  );
  assert.equal(new Set(hashes).size, changes.length + 1);
});
