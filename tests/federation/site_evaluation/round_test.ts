import assert from "node:assert/strict";
import { createPlan, readLedger } from "../../../src/dp/mod.ts";
import type { AggregationOptions } from "../../../src/federation/aggregation.ts";
import { aggregatorApp } from "../../../src/federation/api/mod.ts";
import { ArtefactStore } from "../../../src/federation/artefact_store.ts";
import { crossSiteResultOf, evaluateAcrossSites } from "../../../src/federation/cross_site_evaluation.ts";
import {
  type FederationPlan,
  federationPlanHash,
  lastRound,
  sealPlan,
} from "../../../src/federation/federation_plan.ts";
import {
  acceptInvite,
  type CrossSiteEvaluation,
  encodeInvite,
  EnrollmentBook,
  readIdentity,
  runSite,
  SITE_FILES,
  withdrawPatients,
  writePolicy,
} from "../../../src/federation/mod.ts";
import { populationsHeld, signHoldings } from "../../../src/federation/holdings.ts";
import { openServer } from "../../../src/federation/http_server.ts";
import { isHeldOut } from "../../../src/federation/held_out.ts";
import { PatientKey } from "../../../src/federation/patient_key.ts";
import { sha256Hex } from "../../../src/formats/canonical_json.ts";
import { decodeMessage } from "../../../src/secure_agg/mod.ts";
import { RunFolder } from "../../../src/federation/run_folder.ts";
import { RunStore } from "../../../src/federation/run_store.ts";
import { SiteDesk } from "../../../src/federation/site_desk.ts";
import { SitePatients } from "../../../src/federation/site_patients.ts";
import { decodeEvaluationModel, makeEvaluationPlan } from "../../../src/federation/site_evaluation/mod.ts";
import { figuresOf } from "../../../src/federation/site_evaluation/histogram_metrics.ts";
import { cellWeight } from "../../../src/federation/site_evaluation/layout.ts";
import { heldOutCounts } from "../../../src/federation/site_evaluation/site_side.ts";
import { encodeTextTable, readTextTable } from "../../../src/federation/text_table.ts";
import { encodeWeights } from "../../../src/federation/weights_file.ts";
import { EMBEDDED_MODEL_FOLDER } from "../../../src/foundation/mod.ts";
import { toHex } from "../../../src/formats/hex.ts";
import {
  createSpec,
  federatedParameters,
  flatten,
  loadFederationPart,
  prepareFeatures,
  pretrainOnPublic,
} from "../../../src/local/mod.ts";
import { synthesizeFederation } from "../../../src/local/synthesize/mod.ts";
import { selectBackend } from "../../../src/tensor/mod.ts";
import { LETTERS } from "../../local/_fixtures.ts";
import { openPolicy } from "../_plan.ts";
import { notingClient } from "../_noting_client.ts";
import { CONFIG } from "./_plan.ts";

const SITES = ["site-midwest", "site-south", "site-west", "site-northeast"] as const;
const EPSILON = 100;
const few = { icu: 30, cxr: 1, ecg: 1, vqa: 1 };
/** Nobody is held out at the last site. */
const heldOutAt = (site: string) => site === SITES[3] ? 0 : 0.5;

function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(new Uint8Array(bytes));
}

/** Somebody who is held out, so that the evaluation counts them. */
async function heldOutPatient(state: string, data: string): Promise<string> {
  const key = await PatientKey.open(state);
  const lines = (await Deno.readTextFile(`${data}/icu/records.jsonl`)).trim().split("\n");
  const patients = lines.map((line): string => JSON.parse(line).patient);
  return patients.find((patient) => isHeldOut(key, 0.5, patient))!;
}

Deno.test("over HTTP, four real workers give one noised sum of their held-out patients and are charged once", async () => {
  await selectBackend("wasm");
  const dir = await Deno.makeTempDir();
  const stop = new AbortController();
  try {
    await synthesizeFederation(`${dir}/data`, { seed: 7, patients: { site: few, public: few, test: few } });
    const data = await loadFederationPart(`${dir}/data/public`);
    const spec = createSpec(data, ["icu_shock"], { tokenDimension: 6 });
    const base = await pretrainOnPublic(spec, data, LETTERS, { seed: 1, steps: 10 });
    const features = prepareFeatures(spec, base, data, LETTERS);
    const book = await EnrollmentBook.open(`${dir}/aggregator`);
    const artefacts = new ArtefactStore();
    const runs = new RunStore(book.store, "test", undefined);
    const { audit, identity } = book;
    const desk = new SiteDesk({
      federation: "test",
      sites: SITES,
      joinDeadlineMs: 60_000,
      book,
      run: runs,
      audit,
      identity,
      onProgress: () => {},
      signal: stop.signal,
    });
    const run = await RunFolder.create(`${dir}/run`);
    const app = aggregatorApp({
      desk,
      book,
      artefacts,
      maxBodyBytes: 5_000_000,
      federation: "test",
      run: run.path,
    });
    const bodies: string[] = [];
    const chunks: string[] = [];
    const server = await openServer({
      hostname: "127.0.0.1",
      port: 0,
      handler: async (request, info) => {
        const bytes = new Uint8Array(await request.clone().arrayBuffer());
        bodies.push(latin1(bytes));
        if (new URL(request.url).pathname.endsWith("/messages")) {
          const message = decodeMessage(bytes);
          const signer = request.headers.get("signature-input") ?? "";
          if (message.type === "masked_chunk" && signer.includes(`"${SITES[0]}"`)) {
            chunks.push(latin1(bytes));
            // The first copy is lost, and before the next one a patient who is in it withdraws.
            if (chunks.length === 1) {
              await withdrawPatients(`${dir}/sites/${SITES[0]}`, [leaving]);
              return new Response(null, { status: 503 });
            }
          }
        }
        return await app.fetch(request, info);
      },
    });
    const table = { vocabSize: 4, hiddenSize: 6, values: new Float32Array(24) };
    const dp = createPlan({
      populations: [{ name: "icu", unit: "patient", samplingRate: 0.2, maxGradNorm: 1 }],
      setsAreDisjoint: true,
      neighboring: "add_or_remove_one",
      steps: 1,
      dimension: federatedParameters(spec).dimension,
      cohort: { n: 4, nMin: 4, colluders: 1 },
      maxUnitsPerStep: 1024,
      delta: 1e-5,
      target: { epsilon: 4 },
    });
    const config = { ...CONFIG, epsilon: EPSILON, minimumCount: 8 };
    const evaluation = makeEvaluationPlan(config, { spec, training: dp.request });
    const roster: FederationPlan["roster"][number][] = [];
    for (const site of SITES) {
      const state = `${dir}/sites/${site}`;
      await acceptInvite(state, encodeInvite(await book.invite(site, server.url)));
      const own = await readIdentity(`${state}/${SITE_FILES.identity}`);
      roster.push({
        site,
        publicKey: toHex(own.publicKey),
        holdings: signHoldings(own, populationsHeld(["icu"], heldOutAt(site) > 0)),
      });
      const allowed = { maxEpsilon: EPSILON, minimumCount: 8 };
      await writePolicy(`${state}/${SITE_FILES.policy}`, { ...openPolicy(site), evaluation: allowed }, own);
    }
    const plan: FederationPlan = {
      format: "fedkim-plan/1",
      federation: "test",
      mode: "distributed",
      roster,
      tasks: ["icu_shock"],
      model: {
        spec,
        baseWeights: artefacts.put(encodeWeights(base)),
        textTable: artefacts.put(await encodeTextTable(EMBEDDED_MODEL_FOLDER, table)),
      },
      dp,
      evaluation,
      secureAggregation: { profile: "strict", threshold: 3, nMin: 4, colluders: 1, chunkCoordinates: 1024 },
    };
    const planHash = federationPlanHash(plan);
    const leaving = await heldOutPatient(`${dir}/sites/${SITES[0]}`, `${dir}/data/${SITES[0]}`);
    const plain = new Map<string, Uint32Array>();
    desk.offer({ hash: planHash, sealed: new Uint8Array(sealPlan(plan, identity)), steps: lastRound(plan) });
    const workers = SITES.map((site) =>
      runSite({
        config: {
          data: `${dir}/data/${site}`,
          state: `${dir}/sites/${site}`,
          backend: "wasm",
          reconnectSeconds: 20,
          heldOut: heldOutAt(site),
        },
        signal: stop.signal,
        onEvent: () => {},
        createClient: notingClient((vector) => void plain.set(site, vector.slice())),
      })
    );
    const failed = Promise.all(workers);
    await Promise.race([desk.allAccepted(), failed]);
    const options = {
      config: { rounds: { phaseDeadlineMs: 30_000 } },
      plan,
      base,
      stage: Promise.resolve({ train: { features }, validation: { features } }),
      runs,
      audit,
      desk,
      identity,
      artefacts,
      run,
      onProgress: () => {},
    } as unknown as AggregationOptions;
    await Promise.race([evaluateAcrossSites(options, flatten(spec, base)), failed]);
    const events = bodies.length;
    await evaluateAcrossSites(options, flatten(spec, base));
    assert.ok(bodies.length < events + 8, "an evaluation that is over is not asked for again");
    const model = (await runs.evaluationModel(planHash))!;
    const result = (await crossSiteResultOf(runs, plan)) as CrossSiteEvaluation;
    await desk.farewell(undefined, 5_000);
    await failed;

    // What is sent again was frozen before, and no body holds anything of a site's own vector.
    assert.ok(chunks.length > 1 && new Set(chunks).size === 1);
    const sum = new Uint32Array(evaluation.dp.request.dimension);
    for (const vector of plain.values()) {
      vector.forEach((value, i) => sum[i] += value);
      const secret = latin1(new Uint8Array(vector.slice(0, 16).buffer));
      assert.ok(!bodies.some((body) => body.includes(secret)), "a plain vector went over the wire");
    }
    const line = (await runs.metrics(planHash)).find(({ kind }) => kind === "cross_site_evaluation")!;
    assert.equal(line.sumHash, sha256Hex(new Uint8Array(sum.buffer)), "the exact sum of the four vectors");
    assert.ok(!bodies.some((body) => body.includes(leaving) || /withdraw/i.test(body)));

    const { bins } = decodeEvaluationModel(model, dp.request.dimension, evaluation.tasks, evaluation.bins);
    const counts = new Float64Array(evaluation.dp.request.dimension);
    for (const site of SITES) {
      const state = `${dir}/sites/${site}`;
      const config = { state, data: `${dir}/data/${site}`, heldOut: heldOutAt(site) };
      const patients = await SitePatients.open(config);
      const heldOut = await patients.heldOut(await patients.trained());
      const text = await readTextTable(`${state}/artefacts/${plan.model.textTable}`);
      const evaluating = { plan, base, text, heldOut, withdrawn: () => false };
      const own = await heldOutCounts(evaluating, model);
      assert.equal(own.some((value) => value !== 0), heldOutAt(site) > 0, `${site}`);
      own.forEach((value, i) => counts[i] += value);
      const gone = await heldOutCounts({ ...evaluating, withdrawn: () => true }, model);
      assert.ok(gone.every((value) => value === 0), "who has withdrawn is not counted");

      const status = await readLedger(`${state}/ledger.jsonl`);
      const rounds = new Map(status.populations.map((p) => [p.budget.population, p]));
      assert.equal(rounds.get("icu.held_out")!.rounds, 1);
      assert.equal(rounds.get("icu")!.rounds, 0);
      const { epsilon } = evaluation.dp.guarantees[0];
      assert.ok(Math.abs(rounds.get("icu.held_out")!.spent - epsilon) < 1e-6 * epsilon);
    }
    assert.equal(result.sites, 4);
    const { noise, groups: [all] } = result.tasks.icu_shock;
    assert.ok(noise < 0.7 && !all.suppressed);
    const of = (label: number) => {
      const used = bins.icu_shock.probabilities.length;
      const cells = counts.subarray(label * evaluation.bins, label * evaluation.bins + used);
      return Array.from(cells, (value) => value / cellWeight(evaluation));
    };
    const pooled = figuresOf({ no: of(0), yes: of(1) }, bins.icu_shock);
    all.bins.forEach(({ no, yes }, bin) => {
      // Seven standard deviations of the noise, a false alarm in 1e9 runs, and the one who has withdrawn since.
      const most = 7 * noise + 1;
      assert.ok(Math.abs(no - of(0)[bin]) < most && Math.abs(yes - of(1)[bin]) < most);
    });
    const { accuracy, auroc } = all.figures;
    assert.ok(accuracy!.low! <= pooled.accuracy! && pooled.accuracy! <= accuracy!.high!);
    assert.ok(auroc!.low! <= pooled.auroc! && pooled.auroc! <= auroc!.high!);
    desk.close();
    await server.shutdown();
    await book.close();
  } finally {
    stop.abort();
    await Deno.remove(dir, { recursive: true });
  }
});
