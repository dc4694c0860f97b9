import assert from "node:assert/strict";
import { placesIn, prepareRound, SITES } from "./_round.ts";
import { inspectHost } from "./_secrets.ts";
import { LeastPrivilege } from "./_verbs.ts";

/** A question with its answer for `verify accounting`. */
const ROW = {
  id: "r1",
  composition: { type: "gaussian", sigma: 2 },
  accountant: { name: "rdp" },
  query: "epsilon",
  delta: 1e-5,
  neighboring: "add_or_remove_one",
};

/** An import of one row. */
const MAPPING = `format = "fedkim-import/1"
name = "set"
licence = "test"
privacyUnit = "patient"
recordTable = "rows"
patientColumn = "patient"
tasks = []
[tables]
rows = { file = "rows.csv", key = "id" }
[modalities.labs]
kind = "vector"
channels = [{ name = "a", column = "a", unit = "g/L" }]
`;

Deno.test("every verb that needs no round does its work with exactly the permissions of its row, and fails with one fewer", async () => {
  const dir = await Deno.makeTempDir();
  try {
    for (const folder of ["input", "out"]) await Deno.mkdir(`${dir}/${folder}`);
    await Deno.writeTextFile(`${dir}/input/rows.csv`, "id,patient,a\n1,p,2.5\n");
    await Deno.writeTextFile(`${dir}/input/mapping.toml`, MAPPING);
    const user = new LeastPrivilege(await placesIn(dir), "127.0.0.1:9");
    const accounting = `${dir}/input/accounting.json`;
    await Deno.writeTextFile(accounting, JSON.stringify({ rows: [ROW] }));
    const mapping = ["--mapping", `${dir}/input/mapping.toml`];
    const [model] = user.places.model;
    const wasm = ["--backend", "wasm"];
    await Promise.all([
      user.run("--version"),
      user.run("completion", "bash"),
      user.run("simulate", "--sites", "5", "--dim", "16"),
      user.run("verify accounting", accounting),
      user.run("doctor", ...wasm),
      user.run("foundation inspect", model, "--backend", "cpu"),
      user.run("foundation generate", model, "the", "--tokens", "1", ...wasm),
      user.run("dataset import", ...mapping, "--out", `${dir}/out/set`),
    ]);
    const inspected = { ...user.places, "site data": [`${dir}/out/set`] };
    const looked = await user.ended(user.spawn("dataset inspect", [`${dir}/out/set`], undefined, inspected));
    assert.equal(looked.code, 0, looked.stderr);
    await Promise.all([
      user.refused("verify accounting", "read", accounting),
      user.refused("doctor", "read", ...wasm),
      user.refused("foundation inspect", "read", model, "--backend", "cpu"),
      user.refused("foundation generate", "read", model, "the", "--tokens", "1", ...wasm),
      user.refused("dataset import", "write", ...mapping, "--out", `${dir}/out/again`),
      user.refused("dataset inspect", "read", `${dir}/out/set`),
    ]);
    await user.run("dataset synthesize", `${dir}/out/synthetic`);
    await user.refused("dataset synthesize", "write", `${dir}/out/more`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("every verb of a round does its work with exactly the permissions of its row and fails with one fewer; a whole round leaks no key", async () => {
  const dir = await Deno.makeTempDir();
  const user = await prepareRound(dir);
  const { places } = user;
  await Deno.mkdir(`${dir}/out`);
  const backend = ["--backend", "wasm"];
  const aggregator = user.spawn("aggregator", ["--config", `${dir}/aggregator.json`]);
  const children = [aggregator];
  try {
    const url = `http://${user.aggregator}`;
    const state = `${dir}/aggregator`;
    await listening(url);
    // One site after the other: each has its own folder and sees no other's.
    const clients: Deno.ChildProcess[] = [];
    for (const site of SITES) {
      const own = `${dir}/sites/${site}`;
      const invite = await user.run("enroll --site", "--site", site, "--state", state, "--url", url);
      if (site === SITES[0]) {
        await user.refused("enroll --invite", "net", "--state", own, "--invite", invite);
        await user.refused("enroll --site", "write", "--site", "x", "--state", state, "--url", url);
      }
      await user.run("enroll --invite", "--state", own, "--invite", invite);
      await user.run("policy", "--state", own, "--epsilon", "8", "--minimum-sites", "3");
      await Deno.writeTextFile(
        `${dir}/${site}.json`,
        JSON.stringify({ data: `${dir}/data/${site}`, state: own, backend: "wasm" }),
      );
    }
    const own = `${dir}/sites/${SITES[0]}`;
    await user.refused("policy", "read", "--state", own, "--epsilon", "9", "--minimum-sites", "3");
    await user.run("dashboard", "--state", own);
    await user.refused("dashboard", "net", "--state", own);
    await user.run("withdraw", "--state", own, "--patient", "nobody");
    await user.refused("withdraw", "write", "--state", own, "--patient", "somebody");
    await user.refused("client", "read", "--config", `${dir}/${SITES[0]}.json`);
    await user.refused("client", "net", "--config", `${dir}/${SITES[0]}.json`);
    for (const site of SITES) {
      // A site's process reads its own folders only.
      const mine = {
        ...places,
        "site state": [`${dir}/sites/${site}`],
        "site data": [`${dir}/data/${site}`],
        "client configuration": [`${dir}/${site}.json`],
      };
      const client = user.spawn("client", ["--config", `${dir}/${site}.json`], undefined, mine);
      clients.push(client);
      children.push(client);
    }
    const ends = await Promise.all(children.map((child) => user.ended(child)));
    for (const { code, stderr } of ends) assert.equal(code, 0, stderr);
    user.ran.add("aggregator").add("client");
    await user.refused("aggregator", "net", "--config", `${dir}/aggregator.json`);

    const task = ["--task", "icu_mortality"];
    const run = ["--run", `${dir}/run`];
    await user.run(
      "predict",
      ...run,
      "--data",
      `${dir}/data/${SITES[0]}`,
      ...task,
      "--out",
      `${dir}/out/a.csv`,
      ...backend,
    );
    await user.refused("predict", "read", ...run, "--data", `${dir}/data/${SITES[0]}`, ...task, ...backend);
    await user.run("evaluate", ...run, "--data", `${dir}/data/test`, ...task, ...backend);
    await user.refused("evaluate", "read", ...run, "--data", `${dir}/data/test`, ...task, ...backend);
    await user.run("inject", ...run, "--data", `${dir}/data/public`, ...backend);
    await user.refused("inject", "write", ...run, "--data", `${dir}/data/public`, ...backend);
    await user.run("privacy-report", `${own}/ledger.jsonl`);
    await user.refused("privacy-report", "read", `${own}/ledger.jsonl`);
    await user.run("verify audit", state);
    await user.refused("verify audit", "read", state);
    await inspectHost(user, dir);
  } finally {
    for (const child of children) {
      try {
        child.kill("SIGKILL");
      } catch { /* It has ended. */ }
    }
    await Deno.remove(dir, { recursive: true });
  }
});

/** Until the aggregator answers. */
async function listening(url: string): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const answer = await fetch(`${url}/v1/status`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer !== undefined) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("the aggregator does not answer");
}
