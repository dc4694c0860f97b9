import assert from "node:assert/strict";
import { join } from "node:path";
import { readAggregatorConfig } from "../../src/federation/mod.ts";
import { withoutComments } from "../../tools/_code_text.ts";
import { sourceFiles } from "../../tools/_source_files.ts";
import { productReferences } from "../../tools/compile/assets.ts";
import { compileArguments } from "../../tools/compile/deno_compile.ts";
import { verbArguments } from "../../tools/compile/entries/_program.ts";
import { launcherText } from "../../tools/compile/launcher.ts";
import { permissionFlags } from "../../tools/compile/permissions.ts";
import { RECIPES } from "../../tools/compile/recipes.ts";
import { tryRun } from "../../tools/compile/run.ts";
import { tar } from "../../tools/compile/tar.ts";
import { root } from "../_fedkim.ts";

Deno.test("every Worker and file that the product finds by import.meta.url goes into the programs", () => {
  const references = productReferences();
  const used = sourceFiles(root, ["src", "cli"]).flatMap(({ path, text }) =>
    withoutComments(text).match(/import\.meta\.(?!main\b)\w+/g)?.map((use) => `${path}: ${use}`) ?? []
  );
  assert.equal(
    used.length,
    references.length,
    `a use in another form than new URL("...", import.meta.url): ${used}`,
  );
  const targets = references.map(({ target }) => target);
  for (
    const worker of [
      "src/secure_agg/mask_worker.ts",
      "src/secure_agg/_simulated_worker.ts",
      "src/dp/plan/_update_worker.ts",
    ]
  ) {
    assert.ok(targets.includes(worker), worker);
  }
  assert.ok(targets.some((target) => target.startsWith("models/")));
  for (const target of targets) assert.doesNotThrow(() => Deno.statSync(join(root, target)));
  const args = compileArguments(RECIPES[0], "out");
  for (const target of targets) assert.equal(args[args.indexOf(target) - 1], "--include");
});

Deno.test("no program may load foreign code, ask, or do more than its recipe says", () => {
  for (const recipe of RECIPES) {
    for (const flags of [permissionFlags(recipe.permissions, "$self"), compileArguments(recipe, "out")]) {
      assert.ok(flags.includes("--no-prompt"));
      for (
        const refused of ["-A", "--allow-all", "--allow-ffi", "--allow-import", "--allow-env", "--allow-sys"]
      ) {
        assert.ok(!flags.includes(refused), `${recipe.name} ${refused}`);
      }
      const starts = flags.some((flag) => flag.startsWith("--allow-run"));
      assert.equal(starts, recipe.name === "fedkim", `${recipe.name} starts programs`);
    }
  }
});

Deno.test("every variable and fact about the machine that the product asks for by name is granted", () => {
  const facts = "hostname|loadavg|networkInterfaces|osRelease|osUptime|systemMemoryInfo|uid|gid";
  const code = sourceFiles(root, ["src", "cli"]).map(({ text }) => withoutComments(text)).join("\n");
  const named = (pattern: RegExp) => new Set([...code.matchAll(pattern)].map(([, name]) => name));
  const { env, sys } = RECIPES[0].permissions;
  const granted = (name: string) =>
    env.some((one) => one === name || (one.endsWith("*") && name.startsWith(one.slice(0, -1))));
  const variables = named(/\bDeno\.env\.[a-z]+\("([^"]+)"/g);
  assert.ok(variables.has("XDG_RUNTIME_DIR"));
  for (const name of variables) assert.ok(granted(name), name);
  const asked = [...named(new RegExp(`\\bDeno\\.(${facts})\\(`, "g")), ...named(/\bawait (statfs)\(/g)];
  assert.deepEqual(asked.toSorted(), [...sys].toSorted());
});

Deno.test("a self-extracting fedkim may start nothing but its own file", () => {
  assert.ok(permissionFlags(RECIPES[0].permissions, "/opt/fedkim").includes("--allow-run=/opt/fedkim"));
  const part = { id: "0", length: 1 };
  assert.match(launcherText(RECIPES[0], "fedkim.js", part, part), /"--allow-run=\$self"/);
});

Deno.test("connections can be narrowed to named hosts", () => {
  const flags = permissionFlags({ ...RECIPES[1].permissions, net: ["fed.example.org:443"] }, undefined);
  assert.ok(flags.includes("--allow-net=fed.example.org:443") && !flags.includes("--allow-net"));
});

Deno.test("an aggregator without a named foundation model takes the embedded one, wherever a program has unpacked it", async () => {
  const folder = await Deno.makeTempDir();
  const file = join(folder, "aggregator.json");
  const modelOf = async (foundationModel?: string) => {
    const privacy = { neighboring: "add_or_remove_one" };
    const config = {
      federation: "f",
      state: "s",
      run: "r",
      sites: ["a", "b", "c"],
      data: { public: "p" },
      privacy,
    };
    await Deno.writeTextFile(file, JSON.stringify({ ...config, foundationModel }));
    return (await readAggregatorConfig(file)).foundationModel;
  };
  assert.equal(await modelOf(), "embedded");
  assert.equal(await modelOf("embedded"), "embedded");
  assert.equal(await modelOf("model"), join(folder, "model"));
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the shell can read every launcher", async () => {
  for (const recipe of RECIPES) {
    const part = { id: "0123456789abcdef", length: 100_000_000 };
    const path = await Deno.makeTempFile();
    await Deno.writeTextFile(path, launcherText(recipe, `${recipe.name}.js`, part, part));
    assert.deepEqual(await tryRun("sh", ["-n", path]), { code: 0, stdout: "", stderr: "" });
    await Deno.remove(path);
  }
});

Deno.test("the system's tar reads our archives, with long paths and empty files", async () => {
  const folder = await Deno.makeTempDir();
  const long = `${"folder/".repeat(20)}${"name".repeat(20)}.js`;
  const members = [
    { path: "empty", bytes: new Uint8Array() },
    { path: long, bytes: new TextEncoder().encode("long") },
    { path: "block", bytes: new Uint8Array(512).fill(7), executable: true },
  ];
  await Deno.writeFile(join(folder, "a.tar"), tar(members));
  assert.equal((await tryRun("tar", ["-xf", "a.tar"], { cwd: folder })).code, 0);
  for (const { path, bytes, executable } of members) {
    assert.deepEqual(await Deno.readFile(join(folder, path)), bytes);
    assert.equal((await Deno.stat(join(folder, path))).mode! & 0o777, executable ? 0o700 : 0o600);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("tar() refuses a path that its header cannot hold", () => {
  assert.throws(() => tar([{ path: "x".repeat(101), bytes: new Uint8Array() }]), RangeError);
});

Deno.test("a service's arguments are its own verb's unless they name another verb that it offers", () => {
  const program = { name: "fedkim-client", verb: "client", verbs: ["client", "enroll"] };
  assert.deepEqual(verbArguments(program, ["--config", "a"]), ["client", "--config", "a"]);
  assert.deepEqual(verbArguments(program, []), ["client"]);
  assert.deepEqual(verbArguments(program, ["enroll", "--state", "s"]), ["enroll", "--state", "s"]);
  assert.deepEqual(verbArguments(program, ["--version"]), ["--version"]);
  assert.equal(verbArguments(program, ["demo"]), undefined);
});

Deno.test("docs/binaries.md names every verb that a service's program offers, and no other", async () => {
  const page = await Deno.readTextFile(join(root, "docs/binaries.md"));
  for (const name of ["fedkim-client", "fedkim-aggregator"]) {
    const entry = await Deno.readTextFile(
      join(root, "tools/compile/entries", `${name.replace("-", "_")}.ts`),
    );
    const [, list] = /verbs: \[([\s\S]*?)\]/.exec(entry)!;
    const [, named] = new RegExp(`^\\| \`${name}\` +\\| \`([a-z -]+)\``, "m").exec(page)!;
    assert.deepEqual(named.split(" "), [...list.matchAll(/"([a-z-]+)"/g)].map(([, verb]) => verb), name);
  }
});
