import assert from "node:assert/strict";
import { join } from "node:path";
import { sha256Hex } from "../../src/formats/canonical_json.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import {
  type AggregatorConfig,
  checkAggregatorConfig,
  resolveConfigPaths,
} from "../../src/federation/config.ts";
import { configHash } from "../../src/federation/config_hash.ts";
import { checkEarlierRun, openEarlierRun } from "../../src/federation/earlier_run.ts";
import { evaluateRun, injectRun, openRun } from "../../src/federation/finished_run.ts";
import { allSamples, answerableTasks } from "../../src/federation/injection_samples.ts";
import { predictRun } from "../../src/federation/prediction.ts";
import { preparePublic, type PublicStage } from "../../src/federation/public_stage.ts";
import { encodeWeights } from "../../src/federation/weights_file.ts";
import { auroc, loadFederationPart, type LocalWeights, prepareFeatures } from "../../src/local/mod.ts";
import { synthesizeFederation } from "../../src/local/synthesize/mod.ts";
import { loadInjection, readEncoderWeights } from "../../src/m3oe/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";

const quiet = (): void => {};
const TASK = "cxr_pneumonia";
const FEW = { icu: 1, cxr: 1, ecg: 1, vqa: 1 };

function configOf(data: string, more: Record<string, unknown> = {}) {
  return checkAggregatorConfig({
    federation: "again",
    state: "state",
    run: "run",
    sites: ["a", "b", "c"],
    data: { public: data },
    privacy: { neighboring: "add_or_remove_one" },
    ...more,
  }, "The configuration");
}

/** A run's folder as the aggregator leaves it before the injection. */
async function finishedRun(path: string, stage: PublicStage, config: AggregatorConfig): Promise<string> {
  await Deno.mkdir(join(path, "checkpoints"), { recursive: true });
  await Deno.writeFile(join(path, "checkpoints", "encoders.safetensors"), encodeWeights(stage.base));
  const model = { spec: stage.spec, textTable: sha256Hex(stage.textTable) };
  const plan = { tasks: stage.tasks, model };
  const shown = { ...config, injection: { ...config.injection, trainEncoders: true } };
  await Deno.writeTextFile(join(path, "run.json"), JSON.stringify({ plan, config: shown }));
  return path;
}

/** Injects as `fedkim inject` does; the weights of the encoders that learned with it. */
async function injectTraining(path: string, data: string): Promise<LocalWeights> {
  const run = await openRun(path, "inject");
  await injectRun(run, data, quiet);
  run.decoder.dispose();
  return await readEncoderWeights(join(path, "checkpoints", "injection"));
}

/** Predictions and metrics come from the trained encoders: found again by a model that is fed with their tokens. */
async function checkInference(path: string, folder: string, trained: LocalWeights): Promise<void> {
  const run = await openRun(path);
  const predicted = (await predictRun(run, folder, TASK, quiet)).map(({ score }) => score!);
  const data = await loadFederationPart(folder);
  const features = prepareFeatures(run.spec, run.weights, data, run.text);
  const tasks = answerableTasks(data, run.spec).filter(({ name }) => name === TASK);
  const model = await loadInjection(join(path, "checkpoints", "injection"), run);
  const scoresWith = async (weights: LocalWeights): Promise<number[]> => {
    const { samples } = (await allSamples(run.spec, weights, data, features, tasks)).get(TASK)!;
    return [...await model.score(samples)];
  };
  const distance = (scores: number[]): number =>
    Math.max(...scores.map((score, at) => Math.abs(score - predicted[at])));
  assert.ok(distance(await scoresWith(new Map([...run.weights, ...trained]))) < 1e-4);
  assert.ok(distance(await scoresWith(run.weights)) > 1e-3);
  const labels = data.sets.flatMap(({ records }) => records)
    .flatMap((record) => record.labels.has(TASK) ? [Number(record.labels.get(TASK)) > 0 ? 1 : 0] : []);
  const found = (await evaluateRun(run, folder, quiet, TASK))[TASK];
  assert.ok(found.type === "binary" && found.auroc === auroc({ scores: predicted, labels }));
  model.dispose();
  run.decoder.dispose();
}

const refused = (error: unknown): boolean => error instanceof FedKimError && error.code === "ConfigError";

Deno.test("encoders that an injection trained answer, and are where the next federation starts, and no other model takes them", async () => {
  await selectBackend("wasm");
  const folder = await Deno.makeTempDir();
  try {
    await synthesizeFederation(join(folder, "federation"), {
      seed: 7,
      patients: { site: FEW, test: FEW, public: { icu: 16, cxr: 14, ecg: 3, vqa: 4 } },
    });
    const config = configOf(join(folder, "federation", "public"), { tasks: [TASK] });
    const first = await preparePublic(config, quiet);
    const run = await finishedRun(join(folder, "run"), first, { ...config, injection: { epochs: 1 } });
    const trained = await injectTraining(run, config.data.public);
    await checkInference(run, config.data.public, trained);

    const earlier = await openEarlierRun(run);
    const next = await preparePublic(config, quiet, earlier);
    checkEarlierRun(earlier, config, next);
    assert.ok(trained.size > 0);
    for (const [name, { data }] of next.base) {
      const own = trained.get(name)?.data ?? first.base.get(name)!.data;
      assert.deepEqual([...data], [...own], name);
    }
    assert.ok(
      [...trained].some(([name, { data }]) => data.some((x, i) => x !== first.base.get(name)!.data[i])),
    );

    const wider = { ...config, model: { dEnc: 16 } };
    assert.throws(() => checkEarlierRun(earlier, wider, next), refused);
    assert.throws(() => checkEarlierRun({ ...earlier, textTable: sha256Hex("") }, config, next), refused);
    await assert.rejects(openEarlierRun(folder), refused);
    for (const stage of [first, next]) stage.decoder.dispose();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("startFrom is a path, and a run that starts elsewhere is another run", () => {
  const fields = { startFrom: "runs/first" };
  resolveConfigPaths("aggregator", fields, "/federation");
  assert.equal(fields.startFrom, "/federation/runs/first");
  assert.notEqual(configHash(configOf("data", fields)), configHash(configOf("data")));
});
