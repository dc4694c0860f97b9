import assert from "node:assert/strict";
import { buildReport, type DpPlan, epsilonAt, readLedger } from "../../src/dp/mod.ts";
import type { FederationPlan } from "../../src/federation/mod.ts";
import { sha256Hex } from "../../src/formats/canonical_json.ts";
import { letEvaluate, reached } from "./_evaluating.ts";
import { assertEvaluatedOnce } from "./_exact_run.ts";
import { SITES, TestFederation } from "./_federation.ts";

const ROUNDS = 2;
const STEPS = 3;

Deno.test("a federation in local mode: sites train alone with the whole noise, only the sum of their updates is opened, and an evaluation at the sites outlives a kill of the aggregator", async () => {
  const federation = await TestFederation.create(await Deno.makeTempDir(), ROUNDS, 30_000, 120_000, {
    mode: "local",
    local: { steps: STEPS, proximal: 0.01 },
    evaluation: { tasks: ["icu_shock"], epsilon: 100, bins: 6, minimumCount: 8 },
  }, 60);
  try {
    await letEvaluate(federation.dir, { maxEpsilon: 100, minimumCount: 8 });
    const evaluating = reached(federation, ROUNDS + 1, "commit_vector");
    federation.start();
    await evaluating;
    await federation.stopAggregator("SIGKILL");
    await federation.startAggregator();
    const { code, stdout, log } = await federation.finished();
    assert.equal(code, 0, log);
    const { noise, groups } = JSON.parse(stdout).crossSite.tasks.icu_shock;
    assert.ok(noise > 0 && groups[0].figures.n.value > 0);
    await assertEvaluatedOnce(federation);
    const { plan } = JSON.parse(await Deno.readTextFile(`${federation.dir}/run/run.json`)) as {
      plan: FederationPlan;
    };
    assert.ok(plan.mode === "local" && plan.local.steps === STEPS && plan.local.proximal === 0.01);

    const metrics = (await Deno.readTextFile(`${federation.dir}/run/metrics.jsonl`)).trim().split("\n")
      .map((line) => JSON.parse(line));
    const rounds = metrics.filter((line) => line.kind === "step");
    assert.equal(rounds.length, ROUNDS);
    for (const [i, { sumHash, sites }] of rounds.entries()) {
      const updates = await Promise.all(SITES.map((site) => federation.plain(site, i + 1)));
      const sum = new Uint32Array(updates[0]!.length);
      for (const update of updates) update!.forEach((word, k) => sum[k] += word);
      assert.equal(sites, SITES.length);
      assert.equal(sumHash, sha256Hex(new Uint8Array(sum.buffer)));
      // Noise moves every coordinate of every site's update, also where a site has nothing to learn from.
      for (const update of updates) {
        assert.ok(update!.filter((word) => word === 0).length < update!.length / 100);
      }
    }
    const curve = metrics.filter((line) => line.kind === "validation");
    assert.ok(curve.at(-1).round === ROUNDS && curve.at(-1).mean !== curve[0].mean, "the model has moved");

    const ledgers = await Promise.all(
      SITES.map((site) => readLedger(`${federation.dir}/sites/${site}/ledger.jsonl`)),
    );
    for (const { populations } of ledgers) {
      for (const { rounds, spentEvent, spent, budget } of populations) {
        if (budget.population.endsWith(".held_out")) continue;
        assert.equal(rounds, ROUNDS);
        assert.deepEqual(
          spentEvent,
          plan.dp.events.find((e) => e.population === budget.population)!.schedule,
        );
        assert.ok(spent > 0 && spent <= 8);
      }
    }
    checkReport(plan.dp, ledgers);
    for (const site of SITES) {
      // What training needed on disk is gone.
      const files = Array.from(Deno.readDirSync(`${federation.dir}/sites/${site}`), (entry) => entry.name);
      assert.deepEqual(files.filter((name) => name.startsWith("features")), []);
    }
  } finally {
    await federation.close();
  }
});

/** The budget report says the same epsilon for everybody who looks, and charges every step of every round. */
function checkReport(plan: DpPlan, ledgers: Awaited<ReturnType<typeof readLedger>>[]): void {
  const report = buildReport({
    title: "local",
    generatedAt: "2026-01-01T00:00:00Z",
    plan,
    ledgers,
    unaccounted: [],
    groups: [],
  });
  const { delta, neighboring, populations } = plan.request;
  for (const { name, samplingRate } of populations) {
    const gaussian = { type: "gaussian", sigma: plan.noise.noiseMultiplier } as const;
    const step = { type: "poisson", q: samplingRate, event: gaussian } as const;
    const all = { type: "self_composed", event: step, count: ROUNDS * STEPS } as const;
    const { epsilon } = epsilonAt(all, delta, { neighboring });
    const views = report.views.filter((view) => view.population === name);
    assert.deepEqual(
      new Set(views.map((view) => view.view)),
      new Set(["public", "server", "participant", "coalition"]),
    );
    for (const view of views) assert.equal(view.epsilon, epsilon);
  }
}
