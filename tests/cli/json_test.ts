import assert from "node:assert/strict";
import { join } from "node:path";
import { ERROR_EXIT_STATUS } from "../../src/formats/errors.ts";
import { verbs } from "../../tools/docs_cli.ts";
import { fedkim } from "../_fedkim.ts";

/** Cheap arguments for each verb that end in a failure, and the code that it must have. */
const FAILING: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  "demo": ["DatasetError", ["--data", "/nowhere", "--out", "@/run"]],
  "aggregator": ["ConfigError", ["--config", "/nowhere.toml"]],
  "client": ["ConfigError", ["--config", "/nowhere.toml"]],
  "enroll": ["AuthenticationError", ["--state", "@/s", "--invite", "damaged"]],
  "policy": ["ConfigError", ["--state", "@/s"]],
  "withdraw": ["ConfigError", ["--state", "@/s", "--patient", "x"]],
  "dashboard": ["ConfigError", ["--state", "@/s"]],
  "privacy-report": ["ConfigError", ["/nowhere"]],
  "dataset import": ["DatasetError", ["--mapping", "/nowhere.toml", "--out", "@/d"]],
  "dataset synthesize": ["ConfigError", ["@/taken"]],
  "dataset inspect": ["DatasetError", ["/nowhere"]],
  "foundation inspect": ["FormatError", ["/nowhere", "--backend", "cpu"]],
  "foundation generate": ["FormatError", ["/nowhere", "hello", "--backend", "cpu"]],
  "foundation pretrain": ["FormatError", ["/nowhere.jsonl", "@/m", "--backend", "cpu"]],
  "inject": ["ConfigError", ["--run", "/nowhere", "--data", "/nowhere", "--backend", "cpu"]],
  "evaluate": ["ConfigError", ["--run", "/nowhere", "--data", "/nowhere", "--backend", "cpu"]],
  "predict": ["ConfigError", [
    ...["--run", "/nowhere", "--data", "/nowhere", "--task", "x", "--backend", "cpu"],
  ]],
  "verify accounting": ["FormatError", ["/nowhere.json"]],
  "verify decoder": ["FormatError", ["/nowhere", "--backend", "cpu"]],
  "verify m3oe": ["FormatError", ["/nowhere.safetensors", "--backend", "cpu"]],
  "verify audit": ["ConfigError", ["/nowhere"]],
  "simulate": ["ConfigError", ["--sites", "5", "--drop", "5"]],
  "doctor": ["ConfigError", ["--config", "/nowhere.toml", "--backend", "cpu"]],
};

Deno.test("with --json a verb that fails prints one document with code and message on stdout, every verb", async (t) => {
  assert.deepEqual(Object.keys(FAILING).toSorted(), verbs().toSorted());
  const dir = await Deno.makeTempDir();
  await Deno.mkdir(join(dir, "taken"));
  await Deno.writeTextFile(join(dir, "taken", "federation.json"), "{}");
  for (const [verb, [code, args]] of Object.entries(FAILING)) {
    await t.step(verb, async () => {
      const places = args.map((arg) => arg.startsWith("@/") ? join(dir, arg.slice(2)) : arg);
      const ended = await fedkim(...verb.split(" "), ...places, "--json");
      const { error } = JSON.parse(ended.stdout);
      assert.deepEqual(Object.keys(error), ["code", "message"]);
      assert.equal(error.code, code, error.message);
      assert.equal(ended.code, ERROR_EXIT_STATUS[code as keyof typeof ERROR_EXIT_STATUS]);
      assert.ok(ended.stderr.includes(error.message), "people read the same on stderr");
      assert.doesNotMatch(ended.stderr, /\n\s+at .*\.ts:/, "no stack trace for a user's mistake");
    });
  }
  await Deno.remove(dir, { recursive: true });
});

Deno.test("with --json a command line that cannot be parsed gives one document too, and status 2", async () => {
  const { code, stdout } = await fedkim("demo", "--stepps", "3", "--json");
  assert.equal(code, 2);
  assert.match(JSON.parse(stdout).error.message, /Did you mean `--steps`/);
});

Deno.test("NO_COLOR and output to a file mean no escape sequence, in help and errors alike", async () => {
  for (const args of [["--help"], ["demmo"], ["policy", "--state", "/nowhere"]]) {
    const { stdout, stderr } = await fedkim(...args);
    assert.ok(!(stdout + stderr).includes("\x1b"), args.join(" "));
  }
});
