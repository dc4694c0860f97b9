import assert from "node:assert/strict";
import fc from "fast-check";
import { chooseCohort, cohortOf, cohortSize } from "../../src/federation/cohort.ts";
import { type AggregatorConfig, checkAggregatorConfig } from "../../src/federation/config.ts";

function configOf(sites: number, rounds: Record<string, unknown> = {}): AggregatorConfig {
  return checkAggregatorConfig({
    federation: "f",
    state: "s",
    run: "r",
    sites: Array.from({ length: sites }, (_, i) => `site-${i}`),
    data: { public: "p" },
    privacy: { neighboring: "add_or_remove_one" },
    rounds,
  }, "The test's configuration");
}

Deno.test("a cohort has the size that was asked for, no site twice, and keeps the candidates' order", () => {
  fc.assert(fc.property(fc.integer({ min: 3, max: 40 }), fc.nat(37), (size, more) => {
    const sites = Array.from({ length: size + more }, (_, i) => `site-${i}`);
    const chosen = chooseCohort(sites, size);
    assert.equal(new Set(chosen).size, size);
    assert.deepEqual(chosen, sites.filter((site) => chosen.includes(site)));
  }));
});

Deno.test("every pair of sites is chosen equally often (chi-square, false alarm below 1e-6)", () => {
  const sites = ["a", "b", "c", "d", "e"];
  const counts = new Map<string, number>();
  const draws = 4000;
  for (let i = 0; i < draws; i++) {
    const key = chooseCohort(sites, 2).join();
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  assert.equal(counts.size, 10);
  const expected = draws / 10;
  const chi2 = [...counts.values()].reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  // 9 degrees of freedom: P(chi2 > 45) < 1e-6.
  assert.ok(chi2 < 45, `chi-square ${chi2}`);
});

Deno.test("words that would make some sites likelier are drawn again", () => {
  const words = [0xffffffff, 0, 0, 0];
  let drawn = 0;
  const bytes = () => new Uint8Array(Uint32Array.of(words[drawn++]).buffer);
  assert.deepEqual(chooseCohort(["a", "b", "c"], 1, bytes), ["a"]);
  assert.equal(drawn, 2);
});

Deno.test("the configuration decides cohort, graph and smallest sum, and is refused where they do not fit", () => {
  assert.equal(cohortSize(configOf(5)), 5);
  assert.equal(cohortSize(configOf(9, { cohort: 4 })), 4);
  assert.deepEqual(cohortOf(configOf(4)), { graph: { kind: "full" }, threshold: 3, nMin: 3 });
  const large = cohortOf(configOf(1000));
  assert.equal(large.graph.kind, "ring");
  assert.equal(large.nMin, 900);
  assert.throws(() => cohortSize(configOf(5, { cohort: 6 })), { code: "ConfigError" });
  assert.throws(() => cohortOf(configOf(9, { minimumSites: 3 })), { code: "ConfigError" });
  assert.throws(() => cohortOf(configOf(9, { cohort: 4, minimumSites: 9 })), { code: "ConfigError" });
});
