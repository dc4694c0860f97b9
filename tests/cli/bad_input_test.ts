import assert from "node:assert/strict";
import { fedkim } from "../_fedkim.ts";

/** The one line that a failed command must end with. */
function sentence(stderr: string): string {
  const last = stderr.trimEnd().split("\n").at(-1)!;
  assert.doesNotMatch(stderr, /\n\s+at .*\.ts:/, "no stack trace for a user's mistake");
  return last;
}

Deno.test("a missing dataset is one sentence with what to do, and exit code 3", async () => {
  const { code, stderr } = await fedkim(
    "demo",
    "--data",
    "/nowhere/at/all",
    "--out",
    await Deno.makeTempDir(),
  );
  assert.equal(code, 3, stderr);
  assert.match(sentence(stderr), /^DatasetError: .*\/nowhere\/at\/all.*What to do: /);
});

Deno.test("a malformed federation is a DatasetError that names the file", async () => {
  const dir = await Deno.makeTempDir();
  await Deno.writeTextFile(`${dir}/federation.json`, `{"format": "fedkim-federation/1", "sites": 3}`);
  const { code, stderr } = await fedkim("dataset", "inspect", dir);
  assert.equal(code, 3, stderr);
  assert.match(sentence(stderr), /^DatasetError: .*federation\.json/);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a port in use is exit code 6 and says how to choose another", async () => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const out = await Deno.makeTempDir();
  const { port } = taken.addr as Deno.NetAddr;
  const { code, stderr } = await fedkim("demo", "--port", String(port), "--out", out);
  taken.close();
  assert.equal(code, 6, stderr);
  assert.match(sentence(stderr), /^PortInUse: .*--port/);
  await Deno.remove(out, { recursive: true });
});

Deno.test("an unknown task is exit code 5 and lists the tasks that exist", async () => {
  const out = await Deno.makeTempDir();
  const { code, stderr } = await fedkim("demo", "--task", "icu_mortallity", "--out", out);
  assert.equal(code, 5, stderr);
  assert.match(sentence(stderr), /^UnknownTask: .*icu_mortallity.*icu_mortality/);
  await Deno.remove(out, { recursive: true });
});

Deno.test("--backend webgpu gives webgpu or an error with a remedy, never another backend in silence", async () => {
  const { code, stdout, stderr } = await fedkim("doctor", "--backend", "webgpu");
  if (code === 0) assert.match(stdout, /tensor backend: webgpu/);
  else assert.match(stdout + stderr, /FAIL tensor backend: .*What to do: /);
});

Deno.test("a misspelt option is exit code 2 and one line", async () => {
  const { code, stderr } = await fedkim("demo", "--stepps", "3");
  assert.equal(code, 2);
  assert.match(stderr, /--stepps/);
  assert.ok(stderr.trim().split("\n").length <= 2, stderr);
});

Deno.test("--json prints one JSON document on stdout and nothing else", async () => {
  const dir = await Deno.makeTempDir();
  const { code, stdout } = await fedkim("dataset", "synthesize", dir, "--json");
  assert.equal(code, 0);
  assert.equal(typeof JSON.parse(stdout), "object");
  const inspected = await fedkim("dataset", "inspect", dir, "--json");
  assert.equal(JSON.parse(inspected.stdout).datasets.length, 24);
  await Deno.remove(dir, { recursive: true });
});
