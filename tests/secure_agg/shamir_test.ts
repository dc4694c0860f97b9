import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type BinaryField,
  combineShares,
  lagrangeAt,
  sharingField,
  splitSecret,
} from "../../src/secure_agg/shamir.ts";
import { gf256 } from "../../src/secure_agg/gf256.ts";
import { gf65536 } from "../../src/secure_agg/gf65536.ts";
import { testRandom } from "./_harness.ts";

/** Carry-less product reduced bit by bit: slow and obvious. */
function slowMultiply(a: number, b: number, polynomial: number, bits: number): number {
  let product = 0;
  for (let i = 0; i < bits; i++) if ((b >> i) & 1) product ^= a * 2 ** i;
  for (let i = 2 * bits; i >= bits; i--) {
    if (Math.floor(product / 2 ** i) % 2 === 1) product ^= polynomial * 2 ** (i - bits);
  }
  return product;
}

function recover(
  field: BinaryField,
  threshold: number,
  picked: readonly number[],
  shares: readonly Uint8Array[],
): Uint8Array {
  const chosen = picked.slice(0, threshold);
  return combineShares(field, lagrangeAt(field, chosen.map((i) => i + 1), 0), chosen.map((i) => shares[i]));
}

Deno.test("gf256 multiplies as polynomials mod 0x11B do, all pairs, and every element has its inverse", () => {
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b++) assert.equal(gf256.multiply(a, b), slowMultiply(a, b, 0x11b, 8));
    if (a > 0) assert.equal(gf256.multiply(a, gf256.inverse(a)), 1);
  }
});

Deno.test("gf65536 multiplies as polynomials mod 0x1100B do, and every element has its inverse", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 65535 }), fc.integer({ min: 0, max: 65535 }), (a, b) => {
    assert.equal(gf65536.multiply(a, b), slowMultiply(a, b, 0x1100b, 16));
  }));
  for (let a = 1; a < 65536; a++) assert.equal(gf65536.multiply(a, gf65536.inverse(a)), 1);
});

Deno.test("doubleWord() multiplies every packed element by x", () => {
  fc.assert(
    fc.property(fc.integer(), (word) => {
      const bytes = gf256.doubleWord(word);
      for (const shift of [0, 8, 16, 24]) {
        assert.equal((bytes >>> shift) & 255, slowMultiply((word >>> shift) & 255, 2, 0x11b, 8));
      }
      const pairs = gf65536.doubleWord(word);
      for (const shift of [0, 16]) {
        assert.equal((pairs >>> shift) & 65535, slowMultiply((word >>> shift) & 65535, 2, 0x1100b, 16));
      }
    }),
  );
});

Deno.test("any t shares give the secret back, for every t and n up to 7 and every subset", () => {
  for (let n = 2; n <= 7; n++) {
    for (let t = 1; t <= n; t++) {
      const secret = testRandom(`${n} ${t}`)(32);
      const shares = splitSecret(secret, t, n, testRandom("coefficients"));
      for (let mask = 0; mask < 2 ** n; mask++) {
        const picked = Array.from({ length: n }, (_, i) => i).filter((i) => (mask >> i) & 1);
        if (picked.length >= t) assert.deepEqual(recover(gf256, t, picked, shares), secret);
      }
    }
  }
});

Deno.test("any t shares give the secret back in random order, up to 255 shares and beyond in GF(2^16)", () => {
  for (const [n, t] of [[100, 51], [255, 171], [256, 3], [400, 40]]) {
    const field = sharingField(n);
    assert.equal(field, n <= 255 ? gf256 : gf65536);
    const secret = testRandom("secret")(32);
    const shares = splitSecret(secret, t, n, testRandom("coefficients"));
    const order = Array.from({ length: n }, (_, i) => (i * 37) % n);
    assert.deepEqual(recover(field, t, order, shares), secret);
    assert.notDeepEqual(recover(field, t - 1, order, shares), secret);
  }
});

Deno.test("t - 1 shares fit every secret equally well: one bijection from the missing share to the secret", () => {
  const shares = splitSecret(Uint8Array.of(1, 2, 3, 4), 3, 5, testRandom("perfect"));
  const coefficients = lagrangeAt(gf256, [1, 2, 5], 0);
  const secrets = new Set<number>();
  for (let guess = 0; guess < 256; guess++) {
    const missing = new Uint8Array(4).fill(guess);
    secrets.add(combineShares(gf256, coefficients, [shares[0], shares[1], missing])[0]);
  }
  assert.equal(secrets.size, 256);
});

Deno.test("shares of one secret drawn twice share no byte pattern: at most chance agreement", () => {
  const secret = new Uint8Array(32);
  const random = testRandom("twice");
  const [a, b] = [splitSecret(secret, 3, 100, random), splitSecret(secret, 3, 100, random)];
  let equal = 0;
  a.forEach((share, i) => share.forEach((byte, j) => equal += byte === b[i][j] ? 1 : 0));
  // Mean 3200 / 256 = 12.5, standard deviation 3.5; 45 is above 9 sigma: false alarm below 1e-12, and the seed is fixed.
  assert.ok(equal < 45, `${equal} equal bytes`);
});

Deno.test("splitSecret() refuses a source of randomness that repeats one byte", () => {
  assert.throws(() => splitSecret(new Uint8Array(32), 3, 5, (length) => new Uint8Array(length)), /random/);
  assert.throws(() => splitSecret(new Uint8Array(32), 3, 5, () => new Uint8Array(1)), /random/);
});
