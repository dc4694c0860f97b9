import assert from "node:assert/strict";
import { readAggregatorConfig, readClientConfig } from "../../src/federation/config.ts";

const minimal = {
  federation: "demo",
  state: "state",
  run: "run",
  sites: ["a", "b", "c"],
  data: { public: "public" },
  foundationModel: "model",
  privacy: { neighboring: "add_or_remove_one" },
};

Deno.test("readConfig() fills defaults and takes paths from the file's folder, in TOML and JSON alike", async () => {
  const dir = await Deno.makeTempDir();
  await Deno.writeTextFile(`${dir}/a.json`, JSON.stringify(minimal));
  await Deno.writeTextFile(
    `${dir}/a.toml`,
    `federation = "demo"\nstate = "state"\nrun = "run"\nsites = ["a", "b", "c"]\nfoundationModel = "model"\n` +
      `[data]\npublic = "public"\n[privacy]\nneighboring = "add_or_remove_one"\n`,
  );
  const json = await readAggregatorConfig(`${dir}/a.json`);
  assert.deepEqual(await readAggregatorConfig(`${dir}/a.toml`), json);
  assert.equal(json.data.public, `${dir}/public`);
  assert.equal(json.privacy.epsilon, 8);
  assert.equal(json.rounds.chunkBytes, 4 * 1024 * 1024);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a configuration without a neighbouring relation, or with a misspelt field, is refused by name", async () => {
  const dir = await Deno.makeTempDir();
  const refused = async (value: unknown, pattern: RegExp) => {
    await Deno.writeTextFile(`${dir}/bad.json`, JSON.stringify(value));
    await assert.rejects(
      readAggregatorConfig(`${dir}/bad.json`),
      (error: Error & { code: string }) => {
        assert.equal(error.code, "ConfigError");
        assert.match(error.message, pattern);
        return true;
      },
    );
  };
  await refused({ ...minimal, privacy: {} }, /privacy\.neighboring/);
  await refused({ ...minimal, sitez: [] }, /sitez/);
  await refused({ ...minimal, sites: ["a", "b"] }, /sites/);
  await refused({ ...minimal, privacy: { ...minimal.privacy, epsilon: -1 } }, /privacy\.epsilon/);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a missing configuration file is a ConfigError that names the file", async () => {
  await assert.rejects(readClientConfig("/nowhere/site.toml"), /nowhere\/site\.toml/);
});
