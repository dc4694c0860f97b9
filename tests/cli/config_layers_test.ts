import assert from "node:assert/strict";
import { layeredAggregatorConfig, layeredClientConfig } from "../../cli/_config_layers.ts";
import { configFields, environmentName, pathOfEnvironment } from "../../cli/_config_paths.ts";
import { readAggregatorConfig } from "../../src/federation/config.ts";
import { fedkim } from "../_fedkim.ts";

const FILE = `federation = "demo"
state = "state"
run = "run"
sites = ["a", "b", "c"]
[data]
public = "public"
[privacy]
neighboring = "add_or_remove_one"
epsilon = 4
[privacy.samplingRate]
icu = 0.1
[rounds]
steps = 10
`;
const NOTHING = { environment: {}, set: [], flags: [] } as const;

async function withFile(body: (file: string, dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${dir}/a.toml`, FILE);
    await body(`${dir}/a.toml`, dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function refuses(work: Promise<unknown>, pattern: RegExp): Promise<void> {
  return assert.rejects(work, (error: Error & { code?: string }) => {
    assert.equal(error.code, "ConfigError", error.message);
    assert.match(error.message, pattern);
    return true;
  });
}

Deno.test("a file alone gives what readAggregatorConfig() gives, with file or default as the origin of each value", async () => {
  await withFile(async (file) => {
    const { config, origins } = await layeredAggregatorConfig({ ...NOTHING, file });
    assert.deepEqual(config, await readAggregatorConfig(file));
    assert.equal(origins["privacy.epsilon"], file);
    assert.equal(origins["privacy.samplingRate.icu"], file);
    assert.equal(origins["privacy.delta"], "default");
    assert.ok(Object.values(origins).every((origin) => origin === file || origin === "default"));
  });
});

Deno.test("flags win over --set, --set over the environment, the environment over the file, the file over defaults", async () => {
  await withFile(async (file) => {
    const environment = {
      FEDKIM_AGGREGATOR_ROUNDS__STEPS: "20",
      FEDKIM_AGGREGATOR_PRIVACY__MAX_UNITS_PER_STEP: "512",
      FEDKIM_AGGREGATOR_LISTEN__PORT: "1",
      FEDKIM_CLIENT_STATE: "of another service",
      HOME: "/home/x",
    };
    const { config, origins } = await layeredAggregatorConfig({
      file,
      environment,
      set: ["rounds.steps=30", "listen.port=2", "rounds.steps=31"],
      flags: [
        { path: "listen.port", flag: "--port", value: 3 },
        { path: "backend", flag: "--backend", value: undefined },
      ],
    });
    assert.equal(config.privacy.epsilon, 4);
    assert.equal(config.privacy.maxUnitsPerStep, 512);
    assert.equal(config.rounds.steps, 31);
    assert.equal(config.listen.port, 3);
    assert.deepEqual(
      [
        "privacy.epsilon",
        "privacy.maxUnitsPerStep",
        "rounds.steps",
        "listen.port",
        "listen.hostname",
        "backend",
      ].map((path) => origins[path]),
      [
        file,
        "FEDKIM_AGGREGATOR_PRIVACY__MAX_UNITS_PER_STEP",
        "--set rounds.steps",
        "--port",
        "default",
        "default",
      ],
    );
  });
});

Deno.test("texts become what their field is: numbers, lists, whole objects and single values of records", async () => {
  await withFile(async (file) => {
    const environment = {
      FEDKIM_AGGREGATOR_SITES: "north, south,west",
      FEDKIM_AGGREGATOR_PRIVACY__SAMPLING_RATE__ECG: "0.2",
      FEDKIM_AGGREGATOR_PRIVACY__MAX_GRAD_NORM: `{"icu": 2}`,
      FEDKIM_AGGREGATOR_LOCAL__OPTIMIZER: `{"type": "sgd", "momentum": 0.5}`,
    };
    const { config, origins } = await layeredAggregatorConfig({ ...NOTHING, file, environment });
    assert.deepEqual(config.sites, ["north", "south", "west"]);
    assert.deepEqual(config.privacy.samplingRate, { icu: 0.1, ecg: 0.2 });
    assert.deepEqual(config.privacy.maxGradNorm, { icu: 2 });
    assert.equal(origins["privacy.maxGradNorm.icu"], "FEDKIM_AGGREGATOR_PRIVACY__MAX_GRAD_NORM");
    assert.equal(origins["privacy.samplingRate.icu"], file);
    assert.equal(config.local.optimizer.type, "sgd");
  });
});

Deno.test("relative paths are taken from the file's folder in a file, from the working folder elsewhere", async () => {
  await withFile(async (file, dir) => {
    const { config } = await layeredAggregatorConfig({ ...NOTHING, file, set: ["state=elsewhere"] });
    assert.equal(config.run, `${dir}/run`);
    assert.equal(config.state, `${Deno.cwd()}/elsewhere`);
    assert.equal(config.foundationModel, "embedded");
  });
});

Deno.test("misspelt variables and paths are refused with the name that was meant; values go through the schema", async () => {
  await withFile(async (file) => {
    const environment = { FEDKIM_AGGREGATOR_ROUNDS__STEP: "20" };
    await refuses(
      layeredAggregatorConfig({ ...NOTHING, file, environment }),
      /ROUNDS__STEP names no field\. Did you mean `FEDKIM_AGGREGATOR_ROUNDS__STEPS`/,
    );
    const set = (...set: string[]) => layeredAggregatorConfig({ ...NOTHING, file, set });
    await refuses(set("privacy.epsilom=3"), /Did you mean `privacy\.epsilon`/);
    await refuses(set("rounds.steps"), /without =/);
    await refuses(set("rounds.steps=many"), /--set rounds\.steps cannot be read\. Needed: a number/);
    await refuses(set("privacy.epsilon=-1"), /privacy\.epsilon/);
    await refuses(set("privacy.__proto__=1"), /names no field/);
    await refuses(layeredClientConfig({ ...NOTHING }), /no configuration.*--set path=value/);
    await refuses(layeredClientConfig({ ...NOTHING, set: ["state=s"] }), /data/);
  });
});

Deno.test("every field that has a path has one variable of its own, and the variable leads back to it", () => {
  for (const service of ["aggregator", "client"] as const) {
    const fields = configFields(service);
    assert.ok(fields.length > 3);
    const plain = fields.filter(({ path }) => !path.endsWith("*"));
    const names = plain.map(({ path }) => environmentName(service, path));
    assert.equal(new Set(names).size, names.length);
    plain.forEach(({ path }, i) => assert.equal(pathOfEnvironment(service, fields, names[i]), path));
  }
});

Deno.test("--print-config shows each value with its origin, as a table and as JSON, and starts nothing", async () => {
  await withFile(async (file) => {
    const args = ["aggregator", "--config", file, "--set", "rounds.steps=7", "--port", "0", "--print-config"];
    const table = await fedkim(...args);
    assert.equal(table.code, 0, table.stderr);
    assert.match(table.stdout, /^rounds\.steps +7 +--set rounds\.steps$/m);
    assert.match(table.stdout, /^listen\.port +0 +--port$/m);
    assert.match(table.stdout, /^privacy\.delta +0\.00001 +default$/m);
    const { stdout } = await fedkim(...args, "--json");
    const { config } = JSON.parse(stdout);
    assert.deepEqual(config["rounds.steps"], { value: 7, origin: "--set rounds.steps" });
    assert.deepEqual(config["privacy.epsilon"], { value: 4, origin: file });
  });
});

Deno.test("--print-config leaves the password of a database out", async () => {
  await withFile(async (file) => {
    const store = "store=postgres://fedkim:geheim@db.example.org:5432/fedkim";
    for (const form of [[], ["--json"]]) {
      const { code, stdout, stderr } = await fedkim(
        ...["aggregator", "--config", file, "--set", store, "--print-config", ...form],
      );
      assert.equal(code, 0, stderr);
      assert.match(stdout, /postgres:\/\/fedkim:…@db\.example\.org/);
      assert.ok(!(stdout + stderr).includes("geheim"));
    }
  });
});
