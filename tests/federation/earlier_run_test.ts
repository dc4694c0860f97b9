import assert from "node:assert/strict";
import { join } from "node:path";
import { sha256Hex } from "../../src/formats/canonical_json.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import { injectKnowledge } from "../../src/federation/aggregator_results.ts";
import { checkAggregatorConfig, resolveConfigPaths } from "../../src/federation/config.ts";
import { configHash } from "../../src/federation/config_hash.ts";
import { checkEarlierRun, openEarlierRun } from "../../src/federation/earlier_run.ts";
import { preparePublic } from "../../src/federation/public_stage.ts";
import { encodeWeights } from "../../src/federation/weights_file.ts";
import { synthesizeFederation } from "../../src/local/synthesize/mod.ts";
import { saveInjection } from "../../src/m3oe/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";

const quiet = (): void => {};
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

const refused = (error: unknown): boolean => error instanceof FedKimError && error.code === "ConfigError";

Deno.test("encoders that an injection trained are where the next federation starts, and no other model takes them", async () => {
  await selectBackend("wasm");
  const folder = await Deno.makeTempDir();
  try {
    await synthesizeFederation(join(folder, "federation"), {
      seed: 7,
      patients: { site: FEW, test: FEW, public: { icu: 16, cxr: 14, ecg: 3, vqa: 4 } },
    });
    const config = configOf(join(folder, "federation", "public"), { tasks: ["cxr_pneumonia"] });
    const first = await preparePublic(config, quiet);
    const run = join(folder, "run");
    const injection = join(run, "checkpoints", "injection");
    await Deno.mkdir(injection, { recursive: true });
    await Deno.writeFile(join(run, "checkpoints", "encoders.safetensors"), encodeWeights(first.base));
    const model = { spec: first.spec, textTable: sha256Hex(first.textTable) };
    await Deno.writeTextFile(join(run, "run.json"), JSON.stringify({ plan: { model } }));
    const options = { seed: 1, trainEncoders: true, config: { epochs: 1, encoderRate: 1 } };
    const injected = await injectKnowledge(first, first.base, options, quiet);
    await saveInjection(injected.model, injection);
    const trained = await injected.model.encoderWeights();
    injected.model.dispose();

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
