import assert from "node:assert/strict";
import { join } from "node:path";
import { readLedger } from "../../src/dp/mod.ts";
import { VERSION } from "../../src/formats/version.ts";
import { loadDataset, readFederation } from "../../src/local/mod.ts";
import { synthesizeFederation } from "../../src/local/synthesize/mod.ts";
import { tryRun } from "../../tools/compile/run.ts";
import { root } from "../_fedkim.ts";
import { binariesTest, install, type Installation } from "./_programs.ts";

/** Enough patients for every task of a round. */
const SMALL = {
  site: { icu: 30, cxr: 16, ecg: 3, vqa: 6 },
  public: { icu: 60, cxr: 30, ecg: 6, vqa: 10 },
  test: { icu: 40, cxr: 20, ecg: 4, vqa: 6 },
};
const STEPS = 2;
/** An import of two JPEG files. */
const IMAGES = `format = "fedkim-import-images/1"
name = "set"
licence = "test"
privacyUnit = "patient"
patientColumn = "who"
size = { height = 16, width = 16, fit = "stretch" }
table = { file = "table.csv", key = "path" }
[[tasks]]
name = "side"
type = "multiclass"
classes = ["left", "right"]
column = "kind"
question = "?"
description = "d"
modalities = ["image"]
modalityDescription = "m"
`;

binariesTest("the programs work from a read-only folder for a user with an empty home", async (t) => {
  const installed = await install();
  const work = await Deno.makeTempDir();
  try {
    await t.step("each says its version, also when three start at once for the first time", async () => {
      const names = ["fedkim", "fedkim-client", "fedkim-aggregator", "fedkim", "fedkim"];
      const all = await Promise.all(names.map((name) => installed.run(name, "--version")));
      for (const { code, stdout, stderr } of all) assert.equal(code, 0, stderr || stdout);
      assert.deepEqual(all.map(({ stdout }) => stdout.trim()), names.map(() => VERSION));
      if (installed.unpackedInto !== undefined) await unpackedOnce(installed.unpackedInto);
    });
    await t.step("the embedded model and the WASM backend are inside", async () => {
      const { code, stdout, stderr } = await installed.run("fedkim", "doctor", "--backend", "wasm", "--json");
      assert.equal(code, 0, stderr);
      const checks: { name: string; ok: boolean; detail: string }[] = JSON.parse(stdout).checks;
      const detail = (name: string) => checks.find((check) => check.name === name && check.ok)?.detail;
      assert.match(detail("tensor backend") ?? stdout, /^wasm /);
      assert.match(detail("embedded foundation model") ?? stdout, /parameters$/);
    });
    await t.step("the codecs of the importers are inside", async () => {
      const source = join(work, "images");
      await Deno.mkdir(source);
      for (const name of ["rgb.jpg", "prog.jpg"]) {
        await Deno.copyFile(join(root, "tests/local_import/fixtures", name), join(source, name));
      }
      await Deno.writeTextFile(
        join(source, "table.csv"),
        "path,who,kind\nrgb.jpg,p1,left\nprog.jpg,p2,right\n",
      );
      await Deno.writeTextFile(join(source, "mapping.toml"), IMAGES);
      const out = join(work, "imported");
      const mapping = join(source, "mapping.toml");
      await said(installed.run("fedkim-client", "dataset", "import", "--mapping", mapping, "--out", out));
      const { records } = await loadDataset(out);
      assert.deepEqual(records.map(({ id }) => id), ["rgb.jpg", "prog.jpg"]);
    });
    await t.step("a service refuses the verbs that it does not offer", async () => {
      const { code, stderr } = await installed.run("fedkim-client", "aggregator", "--config", "x.toml");
      assert.equal(code, 2);
      assert.match(stderr, /fedkim-client has no verb "aggregator"/);
    });
    await synthesizeFederation(join(work, "data"), { seed: 7, patients: SMALL });
    await t.step(
      "an aggregator and its sites, each its own program, finish a federation",
      () => federate(installed, work),
    );
    await t.step("fedkim demo starts its processes from the program itself", async () => {
      const { code, stdout, stderr } = await installed.run(
        ...["fedkim", "demo", "--data", join(work, "data"), "--out", join(work, "demo"), "--json"] as const,
        ...["--steps", "1", "--epochs", "1", "--task", "icu_mortality", "--backend", "wasm"],
      );
      assert.equal(code, 0, stderr);
      const { run, privacy, tasks } = JSON.parse(stdout);
      assert.equal(run, join(work, "demo"));
      assert.ok(privacy.length > 0 && Object.keys(tasks).length > 0);
    });
  } finally {
    await installed.remove();
    await Deno.remove(work, { recursive: true });
  }
});

/** Simultaneous first starts leave one whole copy, and none inside another's. */
async function unpackedOnce(folder: string): Promise<void> {
  const listed = async (path: string) => await Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  const names = (await listed(folder)).filter((name) => name !== "cache").sort();
  assert.deepEqual(names.map((name) => name.replace(/-[0-9a-f]{16}$/, "")), ["deno", "fedkim"]);
  const programs = await listed(join(folder, names[1]));
  assert.ok(programs.includes("complete"));
  assert.deepEqual(programs.filter((name) => name === "programs" || name === names[1]), []);
}

/** The way of `docs/binaries.md`: invite, enroll, policy, client; with the policies and permissions as delivered. */
async function federate(installed: Installation, work: string): Promise<void> {
  const { sites, public: publicData, test } = await readFederation(join(work, "data"));
  const state = join(work, "aggregator");
  const config = join(work, "aggregator.json");
  await writeJson(config, {
    federation: "binaries",
    listen: { hostname: "127.0.0.1", port: 0 },
    state,
    run: join(work, "run"),
    sites: sites.map(({ name }) => name),
    data: { public: publicData, test },
    privacy: { epsilon: 8, delta: 1e-5, neighboring: "add_or_remove_one" },
    rounds: { steps: STEPS, phaseDeadlineMs: 20_000, joinDeadlineMs: 60_000 },
    injection: { epochs: 1 },
    backend: "wasm",
  });
  const aggregator = installed.spawn("fedkim-aggregator", "--config", config, "--json");
  const log = new Log(aggregator.stderr);
  const result = new Response(aggregator.stdout).text();
  const clients: Promise<Deno.CommandOutput>[] = [];
  const children = [aggregator];
  try {
    const url = await log.find(/"event":"listening","url":"([^"]+)"/);
    for (const { name, dir } of sites) {
      const own = join(work, "sites", name);
      const invite = await said(
        installed.run("fedkim-aggregator", "enroll", "--state", state, "--site", name, "--url", url),
      );
      await said(installed.run("fedkim-client", "enroll", "--state", own, "--invite", invite));
      await said(
        installed.run("fedkim-client", "policy", "--state", own, "--epsilon", "8", "--minimum-sites", "3"),
      );
      await writeJson(join(own, "client.json"), { data: dir, state: own, backend: "wasm" });
    }
    const member = join(work, "sites", sites[0].name);
    const link = await said(installed.run("fedkim-client", "dashboard", "--state", member));
    assert.match(await (await fetch(link)).text(), /Open the dashboard/);
    for (const { name } of sites) {
      const client = installed.spawn("fedkim-client", "--config", join(work, "sites", name, "client.json"));
      children.push(client);
      clients.push(client.output());
    }
    assert.equal((await aggregator.status).code, 0, await log.all);
    assert.equal(JSON.parse(await result).steps, STEPS);
    for (const client of await Promise.all(clients)) {
      assert.equal(client.code, 0, new TextDecoder().decode(client.stderr));
    }
    const audit = await said(installed.run("fedkim-aggregator", "verify", "audit", state, "--json"));
    assert.ok(JSON.parse(audit).entries > 3 * STEPS);
    for (const { name } of sites) {
      const ledger = await readLedger(join(work, "sites", name, "ledger.jsonl"));
      assert.equal(ledger.populations[0].rounds, STEPS);
    }
  } finally {
    for (const child of children) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
    }
    await Promise.all([aggregator.status, log.all, result, ...clients]);
  }
}

const writeJson = (path: string, value: unknown) => Deno.writeTextFile(path, JSON.stringify(value));

async function said(finished: ReturnType<typeof tryRun>): Promise<string> {
  const { code, stdout, stderr } = await finished;
  assert.equal(code, 0, stderr);
  return stdout.trim();
}

/** What a process writes, to wait for a line of it. */
class Log {
  readonly all: Promise<string>;
  #text = "";
  #waiting: (() => void) | undefined;

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.all = (async () => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        this.#text += text;
        this.#waiting?.();
      }
      this.#waiting?.();
      return this.#text;
    })();
  }

  /** The first group of a pattern as soon as it was written. @throws Error where the stream ends before */
  async find(pattern: RegExp): Promise<string> {
    const ended = this.all.then(() => true);
    while (true) {
      const match = pattern.exec(this.#text);
      if (match !== null) return match[1];
      const grown = new Promise<false>((resolve) => this.#waiting = () => resolve(false));
      if (await Promise.race([ended, grown]) && !pattern.test(this.#text)) throw new Error(this.#text);
    }
  }
}
