import assert from "node:assert/strict";
import { defaultEngine, nativeProvider, streamEngine, wasmEngine } from "../../src/secure_agg/mod.ts";
import { combineShares, sharingField, splitSecret } from "../../src/secure_agg/shamir.ts";
import { chaCha20Kernel } from "../../src/secure_agg/_chacha20_kernel.ts";
import { reports } from "./_simulation.ts";
import { cohort, plainSum, runRound, testRandom } from "./_harness.ts";

type Words = Uint8Array | Int32Array;

/** What is wiped while `run` runs: every array of bytes or words that is filled as a whole, with what. */
async function fills(run: () => unknown): Promise<{ readonly zeros: Words[]; readonly others: number[] }> {
  const zeros: Words[] = [];
  const others: number[] = [];
  const prototype = Object.getPrototypeOf(Uint8Array.prototype) as { fill: (...given: number[]) => Words };
  const { fill } = prototype;
  prototype.fill = function (this: Words, value: number, ...range: number[]) {
    if (range.length === 0 && (this instanceof Uint8Array || this instanceof Int32Array)) {
      if (value === 0) zeros.push(this);
      else others.push(value);
    }
    return fill.call(this, value, ...range);
  };
  try {
    await run();
  } finally {
    prototype.fill = fill;
  }
  return { zeros, others };
}

/** What was given back to the system is gone too. */
const allZero = (array: Words): boolean =>
  (array.buffer as ArrayBuffer).detached || array.every((value: number) => value === 0);

Deno.test("sharing a secret leaves neither its coefficients nor any product of them in memory", async () => {
  for (const [count, bits] of [[5, 8], [300, 16]]) {
    const { zeros, others } = await fills(() =>
      splitSecret(testRandom("secret")(32), 3, count, testRandom("coefficients"))
    );
    // The three rows as they are doubled, the drawn ones, all coefficients, all products.
    const words = 8;
    assert.deepEqual(
      zeros.map(({ length }) => length).sort((a, b) => a - b),
      [words, words, words, 2 * 32, 3 * 32, 3 * words * bits * 4].sort((a, b) => a - b),
    );
    assert.ok(zeros.every(allZero));
    assert.deepEqual(others, []);
  }
});

Deno.test("joining shares leaves neither the shares nor their partial sums in memory", async () => {
  const shares = splitSecret(testRandom("secret")(32), 3, 5, testRandom("coefficients")).slice(0, 3);
  const { zeros, others } = await fills(() => combineShares(sharingField(5), [3, 5, 7], shares));
  assert.deepEqual(zeros.map(({ length }) => length).sort((a, b) => a - b), [8 * 8, 3 * 32]);
  assert.ok(zeros.every(allZero));
  assert.deepEqual(others, []);
});

Deno.test("a private key leaves the buffer in which it was joined with its prefix", async () => {
  const seed = new Uint8Array(32).fill(5);
  for (
    const use of [
      () => nativeProvider.x25519PublicKey(seed),
      () => nativeProvider.x25519(seed),
      () => nativeProvider.ed25519PublicKey(seed),
      () => nativeProvider.ed25519Sign(seed, seed),
    ]
  ) {
    const { zeros, others } = await fills(use);
    assert.deepEqual([zeros.map(({ length }) => length), others], [[48], []]);
    assert.ok(zeros.every(allZero));
  }
  const { zeros } = await fills(() =>
    assert.throws(() => nativeProvider.x25519(seed.subarray(1)), RangeError)
  );
  assert.equal(zeros.length, 1);
});

Deno.test("an engine wipes its memory after every call, and every piece of key stream", async () => {
  const jobs = [1, 2].map((fill) => ({ key: new Uint8Array(32).fill(fill), negate: fill === 2 }));
  for (const engine of [wasmEngine(), streamEngine(nativeProvider)]) {
    const { zeros, others } = await fills(() => engine.apply(new Uint32Array(40_000), jobs, 0));
    const pieces = engine.name === "wasm" ? 0 : 2 * 2;
    assert.equal(zeros.length, 1 + pieces);
    assert.ok(zeros.every(allZero));
    assert.deepEqual(others, []);
    // The last is the memory of the kernel: state, block and stream.
    assert.ok(zeros.at(-1)!.length >= 4 * (2 ** 17 + 2 ** 15));
  }
  assert.equal(chaCha20Kernel(11).memory.buffer.byteLength, 11 * 65_536);
});

Deno.test("a round wipes as many secrets as it makes, in every profile, and fills nothing with anything but zeros", async () => {
  const engine = wasmEngine();
  defaultEngine(nativeProvider); // measures the engines once, which fills their memory
  const found: Record<string, number> = {
    "strict, 0 dropped": 559,
    "strict, 1 dropped": 530,
    "default, 0 dropped": 559,
    "default, 1 dropped": 530,
    "curious, 0 dropped": 541,
    "curious, 1 dropped": 513,
  };
  for (const profile of ["strict", "default", "curious"] as const) {
    for (const dropped of [0, 1]) {
      const c = cohort(6, {
        profile,
        ...(profile === "curious" ? { threshold: 4, nMin: 5, colluders: 0 } : {}),
      });
      const drops = new Map(dropped === 0 ? [] : [[5, "masked_input" as const]]);
      const { zeros, others } = await fills(async () => {
        const { server } = await runRound(c, { drops, server: { engine }, client: () => ({ engine }) });
        const members = [0, 1, 2, 3, 4, 5].filter((i) => !drops.has(i));
        assert.deepEqual(server.result!.sum, plainSum(c, members));
      });
      assert.ok(
        zeros.every((array) => array.length === 48 || allZero(array)),
        "what is wiped is not used again",
      );
      assert.deepEqual(others, []);
      found[`${profile}, ${dropped} dropped`] = zeros.length;
    }
  }
  assert.deepEqual(found, WIPED);
});

Deno.test("a simulated round leaves no secret of its sites behind either", async () => {
  defaultEngine(nativeProvider);
  const found: number[] = [];
  for (const options of [{ sites: 5 }, { sites: 5, byzantine: 1 }, { sites: 6, drop: 1 }]) {
    const { zeros, others } = await fills(() => reports(options));
    assert.deepEqual(
      others.filter((value) => ![7, 9].includes(value)),
      [],
      "but for what unit costs are measured on",
    );
    assert.ok(zeros.every((array) => array.length === 48 || allZero(array)));
    found.push(zeros.length);
  }
  assert.deepEqual(found, WIPED_IN_SIMULATIONS);
});

/** The same for three simulated rounds: what is packed between phases is wiped too, and so are the advertised keys. */
const WIPED_IN_SIMULATIONS = [447, 470, 580];

/**
 * Arrays wiped in a round of six sites, counted when every place that wipes had been read: shares, agreements, keys and
 * plain texts of 30 envelopes and their polynomials, three secrets of each site, and the masks.
 */
const WIPED: Readonly<Record<string, number>> = {
  "strict, 0 dropped": 559,
  "strict, 1 dropped": 530,
  "default, 0 dropped": 559,
  "default, 1 dropped": 530,
  "curious, 0 dropped": 541,
  "curious, 1 dropped": 513,
};
