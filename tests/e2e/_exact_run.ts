import assert from "node:assert/strict";
import { readLedger } from "../../src/dp/mod.ts";
import { sha256Hex } from "../../src/formats/canonical_json.ts";
import { decodeMessage } from "../../src/secure_agg/mod.ts";
import { SITES, type TestFederation } from "./_federation.ts";

/** Lines of the run's metrics. */
export async function metricsOf({ dir }: TestFederation): Promise<Record<string, unknown>[]> {
  const text = await Deno.readTextFile(`${dir}/run/metrics.jsonl`);
  return text.trim().split("\n").map((line) => JSON.parse(line));
}

/** The laws that hold after any crash: exact sums, every step once, every charge once, one kind of share for each peer. */
export async function assertExactRun(federation: TestFederation, steps: number): Promise<void> {
  const metrics = (await metricsOf(federation)).filter(({ kind }) => kind === "step");
  assert.deepEqual(metrics.map(({ round }) => round), Array.from({ length: steps }, (_, i) => i + 1));
  for (const { round, sites, sumHash } of metrics) {
    assert.equal(sites, SITES.length, `step ${round}`);
    const vectors = await Promise.all(SITES.map((site) => federation.plain(site, round as number)));
    const sum = new Uint32Array(vectors[0]!.length);
    for (const vector of vectors) vector!.forEach((value, i) => sum[i] += value);
    assert.equal(sumHash, sha256Hex(new Uint8Array(sum.buffer)), `step ${round}`);
  }
  for (const site of SITES) {
    const ledger = await readLedger(`${federation.dir}/sites/${site}/ledger.jsonl`);
    assert.equal(ledger.tornLines, 0);
    for (const { rounds, budget: { population } } of ledger.populations) {
      if (population.endsWith(".held_out")) continue;
      assert.equal(rounds, steps, `${site} is charged once a step`);
    }
    assert.equal((await federation.sites.get(site)!.status).code, 0, site);
  }
  assertOneShareKind(federation);
}

/** A site sends one unmask message in a step, however often it repeats it. */
export function assertOneShareKind({ seen }: TestFederation): void {
  const answers = new Map<string, string>();
  for (const { path, site, body } of seen) {
    if (!path.endsWith("/messages") || decodeMessage(body).type !== "unmask") continue;
    const hash = sha256Hex(body);
    assert.equal(answers.get(site + path) ?? hash, hash, `${site} answers twice at ${path}`);
    answers.set(site + path, hash);
  }
}

/** The evaluation of `icu` is one noised sum, charged once at every site however often it was taken up again. */
export async function assertEvaluatedOnce(federation: TestFederation): Promise<void> {
  const lines = (await metricsOf(federation)).filter(({ kind }) => kind === "cross_site_evaluation");
  assert.deepEqual(lines.map(({ sites }) => sites), [SITES.length]);
  for (const site of SITES) {
    const { populations } = await readLedger(`${federation.dir}/sites/${site}/ledger.jsonl`);
    const held = populations.find(({ budget }) => budget.population === "icu.held_out");
    assert.equal(held?.rounds, 1, site);
  }
  assertOneShareKind(federation);
}
