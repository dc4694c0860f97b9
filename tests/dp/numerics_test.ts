import assert from "node:assert/strict";
import {
  betaRegularized,
  binomialUpperTail,
  erf,
  erfc,
  inverseRealTransform,
  logBinomial,
  logGamma,
  logNormalCdf,
  normalCdf,
  normalQuantile,
  realTransform,
} from "../../src/dp/numerics/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";

function close(found: number, expected: number, relative: number): void {
  assert.ok(Math.abs(found / expected - 1) <= relative, `${found} is not ${expected}`);
}

Deno.test("erf(), erfc() and the normal distribution agree with forty-digit values", () => {
  // mpmath 1.3, mp.dps = 40.
  close(erf(0.3), 0.3286267594591274276389140478667565511699, 1e-15);
  close(erf(2), 0.9953222650189527341620692563672529286109, 1e-15);
  close(erfc(3), 2.209049699858544137277612958232037984771e-5, 1e-14);
  close(erfc(10), 2.088487583762544757000786294957788611561e-45, 1e-14);
  close(normalCdf(-8), 6.220960574271784123515995872588836620388e-16, 1e-14);
  close(logNormalCdf(-30), -454.3212439563297, 1e-13);
  close(normalQuantile(1e-20), -9.262340089798407, 1e-13);
  close(normalQuantile(0.975), 1.959963984540054, 1e-14);
});

Deno.test("normalQuantile() inverts normalCdf() in both tails", () => {
  for (const p of [1e-300, 1e-100, 1e-12, 0.019, 0.021, 0.3, 0.7]) {
    close(Math.exp(logNormalCdf(normalQuantile(p))), p, 1e-12);
  }
});

Deno.test("logGamma() and logBinomial() agree with factorials", () => {
  let factorial = 1;
  for (let n = 1; n <= 20; n++) {
    factorial *= n;
    assert.ok(Math.abs(logGamma(n + 1) - Math.log(factorial)) < 1e-13);
  }
  close(Math.exp(logBinomial(50, 25)), 126410606437752, 1e-12);
  close(logGamma(0.5), Math.log(Math.sqrt(Math.PI)), 1e-13);
});

Deno.test("betaRegularized() gives binomial tails", () => {
  // Pr[Binomial(5, 0.3) >= 2] = 1 - 0.7^5 - 5 0.3 0.7^4.
  close(binomialUpperTail(5, 0.3, 2), 1 - 0.7 ** 5 - 1.5 * 0.7 ** 4, 1e-14);
  close(betaRegularized(0.5, 3, 3), 0.5, 1e-14);
  assert.equal(binomialUpperTail(5, 0.3, 0), 1);
  assert.equal(binomialUpperTail(5, 0.3, 6), 0);
});

Deno.test("realTransform() is the discrete Fourier transform, for every size parity", () => {
  const random = new SeededRandom(3);
  for (const n of [4, 8, 16, 32, 512]) {
    const x = new Float64Array(n).map(() => random.normal());
    const { re, im } = realTransform(x);
    for (const k of [0, 1, n / 4, n / 2 - 1, n / 2]) {
      let a = 0;
      let b = 0;
      for (let j = 0; j < n; j++) {
        const angle = (2 * Math.PI * ((k * j) % n)) / n;
        a += x[j] * Math.cos(angle);
        b -= x[j] * Math.sin(angle);
      }
      assert.ok(Math.abs(re[k] - a) < 1e-11 && Math.abs(im[k] - b) < 1e-11, `size ${n}, bin ${k}`);
    }
  }
});

Deno.test("inverseRealTransform() undoes realTransform() to rounding at a million points", () => {
  const random = new SeededRandom(4);
  const x = new Float64Array(1 << 20).map(() => random.next());
  const y = inverseRealTransform(realTransform(x));
  let worst = 0;
  for (let i = 0; i < x.length; i++) worst = Math.max(worst, Math.abs(x[i] - y[i]));
  assert.ok(worst < 5e-15, `${worst}`);
});
