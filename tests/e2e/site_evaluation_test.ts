import assert from "node:assert/strict";
import { readLedger } from "../../src/dp/mod.ts";
import {
  type CrossSiteEvaluation,
  EnrollmentBook,
  type FederationPlan,
  readWithdrawals,
  withdrawPatients,
} from "../../src/federation/mod.ts";
import { federationPlanHash } from "../../src/federation/federation_plan.ts";
import { decodeEvaluationModel } from "../../src/federation/site_evaluation/mod.ts";
import { figuresOf } from "../../src/federation/site_evaluation/histogram_metrics.ts";
import { cellAt, cellWeight, groupsOf } from "../../src/federation/site_evaluation/layout.ts";
import { type EvaluatingSite, heldOutCounts } from "../../src/federation/site_evaluation/site_side.ts";
import { SitePatients } from "../../src/federation/site_patients.ts";
import { readTextTable } from "../../src/federation/text_table.ts";
import { readWeights } from "../../src/federation/weights_file.ts";
import { decodeMessage } from "../../src/secure_agg/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { holdOut, letEvaluate } from "./_evaluating.ts";
import { SITES, TestFederation } from "./_federation.ts";
import { memoryHolds } from "./_process_memory.ts";
import { metricsOf } from "./_exact_run.ts";

const STEPS = 2;
/** So large that the noise of a count is far below one patient, and results can be compared. */
const EPSILON = 100;
/** Nobody is held out at the last site. */
const heldOutAt = (site: string) => site === SITES[3] ? 0 : 0.5;

async function prepared(dir: string, allowed: boolean): Promise<TestFederation> {
  const federation = await TestFederation.create(dir, STEPS, 30_000, 120_000, {
    tasks: ["icu_shock", "icu_mortality", "cxr_pneumonia"],
    // All four: every sum has the three sites with held-out patients that their policies ask for.
    rounds: { steps: STEPS, phaseDeadlineMs: 30_000, joinDeadlineMs: 120_000, minimumSites: 4 },
    evaluation: { epsilon: EPSILON, bins: 6, minimumCount: 8 },
  });
  if (allowed) await letEvaluate(dir, { maxEpsilon: EPSILON, minimumCount: 8 }, heldOutAt);
  else for (const site of SITES) await holdOut(dir, site, heldOutAt(site));
  return federation;
}

/** A site as it stands on its disk, to count again what it counted. */
async function siteOf(dir: string, site: string, plan: FederationPlan): Promise<EvaluatingSite> {
  const state = `${dir}/sites/${site}`;
  const patients = await SitePatients.open({ state, data: `${dir}/data/${site}`, heldOut: heldOutAt(site) });
  return {
    plan,
    base: await readWeights(`${state}/artefacts/${plan.model.baseWeights}`),
    text: await readTextTable(`${state}/artefacts/${plan.model.textTable}`),
    heldOut: await patients.heldOut(await patients.trained()),
    withdrawn: () => false,
  };
}

/** Identifier of a patient of a site's set who is held out, or is not. */
async function patientOf(dir: string, site: string, heldOut: boolean): Promise<string> {
  const state = `${dir}/sites/${site}`;
  const { PatientKey } = await import("../../src/federation/patient_key.ts");
  const { isHeldOut } = await import("../../src/federation/held_out.ts");
  const key = await PatientKey.open(state);
  for (const line of (await Deno.readTextFile(`${dir}/data/${site}/icu/records.jsonl`)).split("\n")) {
    const { patient } = JSON.parse(line);
    if (isHeldOut(key, heldOutAt(site), patient) === heldOut) return patient;
  }
  throw new Error("no such patient");
}

function text(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(new Uint8Array(bytes));
}

Deno.test("sites evaluate the model on held-out patients, who can withdraw, and only a noised sum comes back", async () => {
  await selectBackend("wasm");
  const federation = await prepared(await Deno.makeTempDir(), true);
  const { dir } = federation;
  const site = SITES[2];
  try {
    const withdrawn = [await patientOf(dir, site, true), await patientOf(dir, site, false)];
    let withdrawing: Promise<unknown> | undefined;
    let written = false;
    // The first chunk of step 1 is lost until two patients have withdrawn: what is sent again has been frozen before.
    federation.intercept = ({ path, site: from, body }) => {
      if (from !== site || path !== "/v1/rounds/1/messages" || written) return undefined;
      if (decodeMessage(body).type !== "masked_chunk") return undefined;
      withdrawing ??= withdrawPatients(`${dir}/sites/${site}`, withdrawn).then(() => written = true);
      return new Response(null, { status: 503 });
    };
    let artefact: Promise<Uint8Array> | undefined;
    let scan: Promise<boolean[]> | undefined;
    const round = STEPS + 1;
    federation.onSeen = ({ path, body }) => {
      if (path !== `/v1/rounds/${round}/messages`) return;
      artefact ??= evaluatedModel(dir);
      if (decodeMessage(body).type !== "unmask") return;
      scan ??= Promise.all(SITES.map((name) => federation.plain(name, round))).then((vectors) =>
        memoryHolds(federation.aggregator.pid, vectors.map((v) => new Uint8Array(v!.slice(0, 16).buffer)))
      );
    };
    federation.start();
    const { code, stdout, log } = await federation.finished();
    assert.equal(code, 0, log);
    await withdrawing;

    // A retry of the frozen vector is byte-identical.
    const sent = new Map<string, number>();
    for (const { path, site: from, body } of federation.seen) {
      if (from !== site || path !== "/v1/rounds/1/messages") continue;
      if (decodeMessage(body).type !== "masked_chunk") continue;
      sent.set(text(body), (sent.get(text(body)) ?? 0) + 1);
    }
    assert.equal(sent.size, 1, "one chunk, the same bytes each time");
    assert.ok([...sent.values()][0] > 1);

    const { plan } = JSON.parse(await Deno.readTextFile(`${dir}/run/run.json`)) as { plan: FederationPlan };
    const { evaluation } = plan;
    for (const { site: name, holdings } of plan.roster) {
      const stated = holdings!.sets.filter((set) => set.endsWith(".held_out"));
      assert.equal(stated.length, heldOutAt(name) > 0 ? holdings!.sets.length / 2 : 0, `${name}'s statement`);
    }
    const model = await artefact!;
    const line = (await metricsOf(federation)).find(({ kind }) => kind === "cross_site_evaluation")!;
    assert.equal(line.round, round);
    assert.equal(line.sites, SITES.length);
    const result = JSON.parse(stdout).crossSite as CrossSiteEvaluation;
    assert.deepEqual(line.result, result);

    // Only masked vectors went over the wire, and the aggregator never held a plain one.
    for (const name of SITES) {
      const vector = (await federation.plain(name, round))!;
      const secret = text(new Uint8Array(vector.slice(0, 16).buffer));
      for (const { body } of federation.seen) assert.ok(!text(body).includes(secret), name);
    }
    assert.deepEqual(await scan, [false, false, false, false]);

    // The result is that of all held-out patients who have not withdrawn, up to the noise.
    const counts = new Float64Array(evaluation!.dp.request.dimension);
    for (const name of SITES) {
      const own = await heldOutCounts(await siteOf(dir, name, plan), model);
      own.forEach((value, i) => counts[i] += value);
      assert.equal(
        own.some((value) => value !== 0),
        heldOutAt(name) > 0,
        `${name} counts its held-out patients`,
      );
    }
    const { bins } = decodeEvaluationModel(
      model,
      plan.dp.request.dimension,
      evaluation!.tasks,
      evaluation!.bins,
    );
    const groups = groupsOf(evaluation!);
    let compared = 0;
    for (const [task, name] of evaluation!.tasks.entries()) {
      const { set } = plan.model.spec.heads.find((head) => head.task === name)!;
      const { maxGradNorm } = evaluation!.dp.request.populations.find((p) => p.name === `${set}.held_out`)!;
      const unit = maxGradNorm / cellWeight(evaluation!);
      const { noise, groups: found } = result.tasks[name];
      assert.ok(noise < 0.7, `${noise}`);
      found.forEach((group, g) => {
        assert.deepEqual([group.dimension, group.level], [groups[g].dimension, groups[g].level]);
        const of = (label: number) => {
          const first = cellAt(groups.length, evaluation!.bins, { task, group: g, label, bin: 0 });
          return Array.from(counts.subarray(first, first + bins[name].probabilities.length), (v) => v * unit);
        };
        const pooled = figuresOf({ no: of(0), yes: of(1) }, bins[name]);
        if (group.suppressed) return;
        compared++;
        group.bins.forEach(({ no, yes }, bin) => {
          // Seven standard deviations of the noise: a false alarm in 1e9 runs.
          assert.ok(Math.abs(no - of(0)[bin]) < 7 * noise && Math.abs(yes - of(1)[bin]) < 7 * noise);
        });
        const { n, accuracy, auroc } = group.figures;
        assert.ok(Math.abs(n!.value - pooled.n) < 7 * noise * Math.sqrt(2 * bins[name].probabilities.length));
        assert.ok(accuracy!.low! <= pooled.accuracy! && pooled.accuracy! <= accuracy!.high!);
        if (auroc !== null) assert.ok(auroc.low! <= pooled.auroc! && pooled.auroc! <= auroc.high!);
      });
    }
    assert.ok(compared >= 6, `${compared} groups are reported`);
    assert.ok(!result.tasks.icu_shock.groups[0].suppressed);
    const unstated = result.tasks.cxr_pneumonia.groups.filter(({ level }) => level !== "all");
    assert.ok(unstated.some(({ suppressed }) => suppressed), "cxr records state no age and no sex");

    // Somebody who withdraws leaves the counts.
    const leaving = await siteOf(dir, SITES[0], plan);
    const total = (list: Float64Array) => list.reduce((sum, value) => sum + value, 0);
    assert.equal(total(await heldOutCounts({ ...leaving, withdrawn: () => true }, model)), 0);

    // Charged once, to its own population; withdrawals change nothing in it and are told to nobody.
    for (const name of SITES) {
      const status = await readLedger(`${dir}/sites/${name}/ledger.jsonl`);
      const rounds = Object.fromEntries(status.populations.map((p) => [p.budget.population, p.rounds]));
      assert.equal(rounds.icu, STEPS);
      assert.equal(rounds["icu.held_out"], 1);
      assert.equal(rounds["cxr.held_out"], 1);
      assert.equal(rounds["ecg.held_out"], 0);
      assert.equal(status.plans.length, 2);
      for (const { population, epsilon } of evaluation!.dp.guarantees) {
        const spent = status.populations.find((p) => p.budget.population === population)!.spent;
        assert.ok(Math.abs(spent - epsilon) < 1e-6 * epsilon);
      }
    }
    assert.equal((await readWithdrawals(`${dir}/sites/${site}`)).length, 2);
    for (const { body } of federation.seen) assert.doesNotMatch(text(body), /withdraw/i);
    assert.doesNotMatch(log + stdout, /withdraw/i);
    for (const id of withdrawn) {
      assert.ok(!(log + stdout).includes(id));
      for await (const { name, isFile } of Deno.readDir(`${dir}/sites/${site}`)) {
        if (isFile) assert.ok(!text(await Deno.readFile(`${dir}/sites/${site}/${name}`)).includes(id), name);
      }
    }

    const report = await reportOf(`${dir}/sites/${site}/ledger.jsonl`);
    assert.match(report, /2 patients have withdrawn/);
    assert.match(report, /icu\.held_out/);
    assert.doesNotMatch(await reportOf(`${dir}/sites/${SITES[0]}/ledger.jsonl`), /withdrawn/);
  } finally {
    await federation.close();
  }
});

Deno.test("a site whose policy allows no evaluation refuses the plan, and charges nothing", async () => {
  const federation = await prepared(await Deno.makeTempDir(), false);
  try {
    federation.start();
    const { code, log } = await federation.finished();
    assert.equal(code, 21, log);
    const status = await readLedger(`${federation.dir}/sites/${SITES[0]}/ledger.jsonl`);
    assert.deepEqual(status.plans, []);
    assert.deepEqual(status.populations.map(({ rounds }) => rounds), status.populations.map(() => 0));
  } finally {
    await federation.close();
  }
});

/** The model that the sites are evaluating, from the aggregator's store. */
async function evaluatedModel(dir: string): Promise<Uint8Array> {
  const { plan } = JSON.parse(await Deno.readTextFile(`${dir}/run/run.json`)) as { plan: FederationPlan };
  const book = await EnrollmentBook.open(`${dir}/aggregator`);
  const bytes = await book.store.get("run_evaluation", federationPlanHash(plan));
  await book.close();
  return bytes!;
}

async function reportOf(ledger: string): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "cli/main.ts", "privacy-report", ledger],
    env: { NO_COLOR: "1" },
  }).output();
  return new TextDecoder().decode(stdout);
}
