import assert from "node:assert/strict";
import {
  type ClientAwaitingInput,
  IndexSet,
  maskInput,
  nativeProvider,
  roundConfigHash,
  SecretBytes,
  wasmEngine,
} from "../../src/secure_agg/mod.ts";
import { pairMaskKey, selfMaskKey } from "../../src/secure_agg/key_schedule.ts";
import { ringGraph } from "../../src/secure_agg/mod.ts";
import { cohort, testRandom } from "./_harness.ts";

const DIMENSION = 65_536;

/** Masks a vector by the pure phase, from given secrets: b and the secret mask key of site 0, one neighbour. */
async function masked(
  vector: Uint32Array,
  secrets: { b: Uint8Array; maskSecret: Uint8Array; peer: Uint8Array; sid: Uint8Array },
  ringBits = 32,
): Promise<Uint32Array> {
  const c = cohort(3, { dimension: DIMENSION, ringBits, coordinateBound: 2000, chunkCoordinates: DIMENSION });
  const { b, maskSecret, peer, sid } = secrets;
  const provider = nativeProvider;
  const shared = provider.x25519(maskSecret)(provider.x25519PublicKey(peer))!;
  const state: ClientAwaitingInput = {
    kind: "awaiting_input",
    context: {
      config: c.config,
      configHash: roundConfigHash(c.config),
      identity: c.ids[0],
      enrolled: c.enrolled,
      provider,
      random: testRandom("unused"),
    },
    session: { sid, n: 3, graph: ringGraph(provider, sid, 3, 0) },
    index: 0,
    identityKeys: new Map(),
    shared: IndexSet.of(3, [0, 1, 2]),
    held: new Map(),
    masks: [
      { key: new SecretBytes(selfMaskKey(provider, sid, 0, b)), negate: false },
      { key: new SecretBytes(pairMaskKey(provider, sid, shared, 0, 1)), negate: false },
    ],
  };
  const out = vector.slice();
  const step = await maskInput(state, out, wasmEngine());
  assert.equal(step.kind, "next");
  return out;
}

function secrets(seed: string): { b: Uint8Array; maskSecret: Uint8Array; peer: Uint8Array; sid: Uint8Array } {
  const random = testRandom(seed);
  return { b: random(32), maskSecret: random(32), peer: random(32), sid: random(32) };
}

/** Normal quantile form of a chi-square statistic (Wilson and Hilferty 1931). */
function chiSquareZ(counts: ArrayLike<number>, expected: number): number {
  let statistic = 0;
  for (let i = 0; i < counts.length; i++) statistic += (counts[i] - expected) ** 2 / expected;
  const k = counts.length - 1;
  return (Math.cbrt(statistic / k) - (1 - 2 / (9 * k))) / Math.sqrt(2 / (9 * k));
}

/** |z| below 4.5: two-sided false-alarm rate 7e-6 for each statistic; the seeds are fixed, so it never comes by chance. */
const Z_LIMIT = 4.5;

for (
  const [name, vector] of [
    ["zeros", new Uint32Array(DIMENSION)],
    ["one constant", new Uint32Array(DIMENSION).fill(1234)],
    ["a ramp", Uint32Array.from({ length: DIMENSION }, (_, i) => i % 2000)],
  ] as const
) {
  Deno.test(`a masked vector of ${name} is indistinguishable from uniform: every byte, pairs of bits, lags 1 to 16`, async () => {
    const y = await masked(vector, secrets("uniform"));
    for (let byte = 0; byte < 4; byte++) {
      const counts = new Uint32Array(256);
      for (const word of y) counts[(word >>> (8 * byte)) & 255]++;
      assert.ok(Math.abs(chiSquareZ(counts, DIMENSION / 256)) < Z_LIMIT, `byte ${byte}`);
    }
    for (let bit = 0; bit < 32; bit++) {
      let ones = 0;
      for (const word of y) ones += (word >>> bit) & 1;
      assert.ok(Math.abs(ones - DIMENSION / 2) / Math.sqrt(DIMENSION / 4) < Z_LIMIT, `bit ${bit}`);
    }
    const centred = Float64Array.from(y, (word) => word / 2 ** 32 - 0.5);
    for (let lag = 1; lag <= 16; lag++) {
      let product = 0;
      for (let i = lag; i < DIMENSION; i++) product += centred[i] * centred[i - lag];
      // A product of two independent uniforms on [-1/2, 1/2] has standard deviation 1/12.
      assert.ok(Math.abs(product * 12) / Math.sqrt(DIMENSION - lag) < Z_LIMIT, `lag ${lag}`);
    }
  });
}

Deno.test("a masked vector in a ring of 20 bits is uniform there too", async () => {
  const y = await masked(new Uint32Array(DIMENSION).fill(7), secrets("twenty"), 20);
  const counts = new Uint32Array(1024);
  for (const word of y) {
    assert.ok(word < 2 ** 20);
    counts[word >>> 10]++;
  }
  assert.ok(Math.abs(chiSquareZ(counts, DIMENSION / 1024)) < Z_LIMIT);
});

Deno.test("one flipped bit of any secret or of the session id changes the masked vector completely", async () => {
  const base = secrets("avalanche");
  const y = await masked(new Uint32Array(DIMENSION), base);
  for (const field of ["b", "maskSecret", "peer", "sid"] as const) {
    for (const bit of [3, 100, 203, 252]) { // X25519 ignores bits 0 to 2, 254 and 255 of a secret key
      const changed = base[field].slice();
      changed[bit >>> 3] ^= 1 << (bit & 7);
      const other = await masked(new Uint32Array(DIMENSION), { ...base, [field]: changed });
      let bits = 0;
      let same = 0;
      other.forEach((word, i) => {
        let difference = word ^ y[i];
        if (difference === 0) same++;
        for (; difference !== 0; difference &= difference - 1) bits++;
      });
      const z = (bits - 16 * DIMENSION) / Math.sqrt(8 * DIMENSION);
      assert.ok(Math.abs(z) < Z_LIMIT, `${field} bit ${bit}: z = ${z}`);
      // Equal words by chance: Poisson with mean 2^16 / 2^32; four or more have probability below 1e-20.
      assert.ok(same < 4);
    }
  }
});

Deno.test("two sessions of one site share no mask although its vector is the same", async () => {
  const [a, b] = [secrets("first"), secrets("second")];
  const [x, y] = [await masked(new Uint32Array(DIMENSION), a), await masked(new Uint32Array(DIMENSION), b)];
  const difference = x.map((word, i) => word - y[i]);
  const counts = new Uint32Array(256);
  for (const word of difference) counts[word >>> 24]++;
  assert.ok(Math.abs(chiSquareZ(counts, DIMENSION / 256)) < Z_LIMIT);
});
