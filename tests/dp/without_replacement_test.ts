import assert from "node:assert/strict";
import { withoutReplacementRdp } from "../../src/dp/rdp/without_replacement.ts";

/** C(n, k), exact for the small numbers here. */
function binomial(n: number, k: number): number {
  return k === 0 ? 1 : binomial(n, k - 1) * (n - k + 1) / k;
}

/** E[(L - 1)^j] of the likelihood ratio L of N(1/sigma, 1) to N(0, 1): E[L^i] = exp(i (i - 1) / (2 sigma^2)). */
function centralMoment(j: number, sigma: number): number {
  let sum = 0;
  for (let i = 0; i <= j; i++) {
    sum += binomial(j, i) * (-1) ** (j - i) * Math.exp(i * (i - 1) / (2 * sigma * sigma));
  }
  return sum;
}

/** Theorem 27 of Wang, Balle, Kasiviswanathan 2019 at an integer order, by closed forms. */
function theorem27(q: number, sigma: number, order: number): number {
  const square = 1 / (sigma * sigma);
  const two = Math.min(4 * Math.expm1(square), 2 * Math.exp(square));
  let sum = 1 + q * q * binomial(order, 2) * two;
  for (let j = 3; j <= order; j++) {
    const coarse = 2 * Math.exp((j - 1) * j * square / 2);
    const [low, high] = [2 * Math.floor(j / 2), 2 * Math.ceil(j / 2)];
    const fine = 4 * Math.sqrt(centralMoment(low, sigma) * centralMoment(high, sigma));
    sum += q ** j * binomial(order, j) * Math.min(fine, coarse);
  }
  return Math.log(sum) / (order - 1);
}

Deno.test("RDP of samples without replacement is Theorem 27 with closed-form moments, to 1e-7", () => {
  for (const q of [0.01, 0.2, 0.7]) {
    for (const sigma of [0.6, 1, 2, 4]) {
      for (const order of [2, 3, 4, 5, 6, 8]) {
        const expected = theorem27(q, sigma, order);
        const found = withoutReplacementRdp(q, sigma)(order);
        assert.ok(
          Math.abs(found / expected - 1) < 1e-7,
          `q ${q}, sigma ${sigma}, order ${order}: ${found}, ${expected}`,
        );
      }
    }
  }
});

Deno.test("between integer orders RDP of samples without replacement is the chord of the cumulants", () => {
  const rdp = withoutReplacementRdp(0.1, 1.5);
  for (const order of [1.25, 2.5, 3.75]) {
    const [low, high] = [Math.floor(order), Math.floor(order) + 1];
    const cumulant = (at: number) => at <= 1 ? 0 : rdp(at) * (at - 1);
    const chord = ((high - order) * cumulant(low) + (order - low) * cumulant(high)) / (order - 1);
    assert.ok(Math.abs(rdp(order) / chord - 1) < 1e-12, `${order}`);
  }
});

Deno.test("the whole dataset as the sample is the Gaussian mechanism, a smaller sample costs less", () => {
  const [all, most, few] = [1, 0.9, 0.1].map((q) => withoutReplacementRdp(q, 2)(4));
  assert.ok(Math.abs(all - 4 / (2 * 4)) < 1e-12);
  assert.ok(few < most && few > 0);
});
