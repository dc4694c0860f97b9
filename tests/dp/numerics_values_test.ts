import assert from "node:assert/strict";
import {
  betaRegularized,
  binomialUpperTail,
  erf,
  erfc,
  inverseRealTransform,
  logAdd,
  logBinomial,
  logGamma,
  logNormalCdf,
  normalCdf,
  normalQuantile,
  realTransform,
} from "../../src/dp/numerics/mod.ts";

/** Relative, or absolute where the value is small. */
function close(name: string, found: number, exact: number, tolerance: number): void {
  const allowed = tolerance * Math.max(Math.abs(exact), Number.MIN_VALUE);
  assert.ok(Math.abs(found - exact) <= allowed, `${name}: ${found} is not ${exact}`);
}

// All values below: mpmath 1.3, mp.dps = 60, at the double that the literal is.

Deno.test("erf() and erfc() agree with forty-digit values in each of their three ranges and at the seams", () => {
  for (
    const [x, value, rest] of [
      [1e-9, 1.1283791670955126438e-9, 0.9999999988716208329],
      [0.2, 0.22270258921047846618, 0.77729741078952153382],
      [0.46875, 0.49261347321793799159, 0.50738652678206200841],
      [0.47, 0.49374505088608211241, 0.50625494911391788759],
      [0.5, 0.52049987781304653768, 0.47950012218695346232],
      [1, 0.84270079294971486934, 0.15729920705028513066],
      [1.5, 0.96610514647531072707, 0.033894853524689272933],
      [2.5, 0.99959304798255504106, 0.00040695201744495893956],
      [3.999, 0.99999998445525050901, 1.5544749490994991533e-8],
      [4.001, 0.99999998470921782675, 1.5290782173248731519e-8],
      [5, 0.99999999999846254021, 1.5374597944280348502e-12],
      [7, 1, 4.1838256077794143986e-23],
    ] as const
  ) {
    close(`erf(${x})`, erf(x), value, 3e-16);
    close(`erf(-${x})`, erf(-x), -value, 3e-16);
    close(`erfc(${x})`, erfc(x), rest, 2e-15);
    close(`erfc(-${x})`, erfc(-x), 1 + value, 3e-16);
  }
  close("erfc(12)", erfc(12), 1.3562611692059042128e-64, 1e-14);
  close("erfc(20)", erfc(20), 5.3958656116079009289e-176, 1e-14);
  close("erfc(26.5)", erfc(26.5), 2.2109076642637342759e-307, 1e-14);
  assert.deepEqual([erfc(28), erfc(-28), erf(28), erf(-28), erf(0), erfc(0)], [0, 2, 1, -1, 0, 1]);
  assert.equal(normalCdf(0), 0.5);
});

Deno.test("the log distribution and the quantile of the normal agree with forty-digit values", () => {
  for (
    const [x, value] of [
      [-200, -20006.217280898190402],
      [-40, -804.60844201375378817],
      [-10, -53.231285150512470578],
      [-5.7, -18.93311242322474297],
      [-5.6, -18.351379495909332066],
      [-1.01, -1.8563130623431784424],
      [-1, -1.8410216450092635058],
      [-0.99, -1.8258103178428123576],
      [0, -0.69314718055994530942],
      [0.5, -0.36894641528865639307],
      [3, -0.0013508099647481937988],
      [8, -6.2209605742717860585e-16],
    ] as const
  ) close(`log Phi(${x})`, logNormalCdf(x), value, 1e-14);
  for (
    const [p, value] of [
      [1e-200, -30.205594179579643063],
      [1e-30, -11.46402468844361572],
      [1e-5, -4.2648907939228246102],
      [0.0199, -2.0558186466124042066],
      [0.0201, -2.0516879352986974567],
      [0.2, -0.84162123357291416552],
      [0.6, 0.25334710313579974132],
      [0.9, 1.2815515655446005935],
      [0.99999, 4.2648907939238407699],
    ] as const
  ) close(`quantile ${p}`, normalQuantile(p), value, 4e-15);
  close("quantile 0.4999", normalQuantile(0.4999), -0.00025066283008800749239, 1e-12);
  assert.ok(Math.abs(normalQuantile(0.5)) < 1e-15);
});

Deno.test("logGamma() agrees with forty-digit values on both sides of its shift at 12", () => {
  for (
    const [x, value] of [
      [0.1, 2.252712651734205902],
      [0.5, 0.57236494292470008707],
      [1.5, -0.12078223763524522235],
      [3.7, 1.4280723266653881292],
      [11.9, 17.258477450595522012],
      [12, 17.502307845873885839],
      [12.5, 18.734347511936445702],
      [30.25, 72.104204742007999824],
      [1000, 5905.2204232091812118],
      [1e6, 12815504.56914761166],
    ] as const
  ) {
    assert.ok(
      Math.abs(logGamma(x) - value) <= 2e-14 + 1e-15 * Math.abs(value),
      `logGamma(${x}) = ${logGamma(x)}`,
    );
  }
  assert.deepEqual([logBinomial(7, 0), logBinomial(7, 7)], [0, 0]);
  close("C(7, 1)", Math.exp(logBinomial(7, 1)), 7, 1e-13);
  close("C(7, 6)", Math.exp(logBinomial(7, 6)), 7, 1e-13);
});

Deno.test("betaRegularized() agrees with forty-digit values on both sides of its seam", () => {
  for (
    const [x, a, b, value] of [
      [0.1, 2, 3, 0.052300000000000005396],
      [0.4, 2, 3, 0.52480000000000003837],
      [0.429, 2, 3, 0.57423055704299998733],
      [0.9, 2, 3, 0.9963000000000000024],
      [0.001, 5, 1000, 0.0036983141135402078631],
      [0.01, 50, 4000, 0.080735386087339562368],
      [0.5, 100, 100, 0.5],
      [0.52, 500, 480, 0.73008846949328061271],
      [0.999, 30, 0.5, 0.80723730615953703126],
      [1e-6, 1, 1e6, 0.63212074276835488907],
      [0.3, 0.5, 0.5, 0.36901011956554537504],
    ] as const
  ) close(`I_${x}(${a}, ${b})`, betaRegularized(x, a, b), value, 5e-12);
  assert.deepEqual([betaRegularized(0, 2, 3), betaRegularized(-1, 2, 3)], [0, 0]);
  assert.deepEqual([betaRegularized(1, 2, 3), betaRegularized(2, 2, 3)], [1, 1]);
  close("Pr[B(4, 0.3) >= 4]", binomialUpperTail(4, 0.3, 4), 0.0081, 1e-13);
  close("Pr[B(4, 0.3) >= 1]", binomialUpperTail(4, 0.3, 1), 1 - 0.7 ** 4, 1e-13);
});

Deno.test("logAdd() keeps the digits and the infinities of sums in the logarithm", () => {
  close("log(2 + 6)", logAdd(Math.log(2), Math.log(6)), Math.log(8), 1e-15);
  close("log(6 + 2)", logAdd(Math.log(6), Math.log(2)), Math.log(8), 1e-15);
  close("log(1 + e^-40)", logAdd(0, -40), 4.2483542552915889e-18, 1e-15);
  assert.deepEqual([logAdd(-Infinity, -Infinity), logAdd(-Infinity, 3), logAdd(900, 0)], [-Infinity, 3, 900]);
});

Deno.test("a pulse at any place has a flat spectrum with the phase of that place, at every size", () => {
  for (const n of [2, 4, 8, 16, 64, 256]) {
    for (const place of [0, 1, n / 2, n - 1]) {
      const pulse = new Float64Array(n);
      pulse[place] = 1;
      const { re, im } = realTransform(pulse);
      assert.deepEqual([re.length, im.length], [n / 2 + 1, n / 2 + 1]);
      for (let k = 0; k <= n / 2; k++) {
        const angle = (-2 * Math.PI * ((k * place) % n)) / n;
        assert.ok(Math.hypot(re[k] - Math.cos(angle), im[k] - Math.sin(angle)) < 2e-15);
      }
      const back = inverseRealTransform({ re, im });
      for (let i = 0; i < n; i++) assert.ok(Math.abs(back[i] - pulse[i]) < 1e-15);
    }
  }
});
