import assert from "node:assert/strict";
import { readLock } from "../../../tools/compile/locked.ts";
import { RECIPES } from "../../../tools/compile/recipes.ts";
import { VERB_PERMISSIONS } from "../../../cli/verb_permissions.ts";
import { root } from "../../_fedkim.ts";

const configuration = JSON.parse(await Deno.readTextFile(`${root}deno.json`));

Deno.test("docs/supply_chain.md has exactly the verbs and permissions of the table that the tests run", async () => {
  const page = await Deno.readTextFile(`${root}docs/supply_chain.md`);
  const rows = [...page.matchAll(/^\| `([^`]+)` +\|(.*)\|$/gm)].map(([, verb, rest]) => [
    verb,
    ...rest.split("|").map((cell) => cell.trim()),
  ]);
  const or = (list: readonly string[]) => list.join(", ") || "nothing";
  assert.deepEqual(
    rows,
    Object.entries(VERB_PERMISSIONS).map(([verb, { net, read, write, sys }]) => [
      verb,
      net === "none" ? "none" : "the aggregator",
      or(read),
      or(write),
      or(sys),
    ]),
  );
});

Deno.test("the programs are granted what their verbs need, and every verb has a row", async () => {
  const { sys } = RECIPES[0].permissions;
  for (const [verb, needed] of Object.entries(VERB_PERMISSIONS)) {
    for (const fact of needed.sys) assert.ok(sys.includes(fact), `${verb} ${fact}`);
    assert.equal(needed.run, "none", verb);
  }
  const page = await Deno.readTextFile(`${root}docs/reference/cli.md`);
  const verbs = [...page.matchAll(/^#+ `?fedkim ([a-z0-9-]+)/gm)].map(([, verb]) => verb);
  assert.ok(verbs.length >= 10, `${verbs}`);
  for (const verb of verbs.filter((verb) => !["demo", "help"].includes(verb))) {
    assert.ok(Object.keys(VERB_PERMISSIONS).some((row) => row.split(" ")[0] === verb), `${verb} has no row`);
  }
});

Deno.test("every package is named by an exact version, the lock is frozen and pins it, and none runs scripts", () => {
  assert.equal(configuration.lock.frozen, true);
  assert.deepEqual(configuration.allowScripts.allow, []);
  const { packages } = readLock();
  for (const specifier of Object.values<string>(configuration.imports)) {
    if (specifier.startsWith("./")) continue;
    const [, name, version] = /^npm:(@?[^@]+)@(\d+\.\d+\.\d+)$/.exec(specifier) ?? [];
    assert.ok(name !== undefined, `${specifier} is no exact npm version`);
    assert.ok(packages.has(`${name}@${version}`), `${specifier} is not in deno.lock`);
  }
});

Deno.test("a package that the frozen lock does not name is refused", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(
      `${dir}/deno.json`,
      JSON.stringify({ nodeModulesDir: "none", lock: { frozen: true } }),
    );
    const lock = JSON.parse(await Deno.readTextFile(`${root}deno.lock`));
    const one = async (npm: unknown, specifiers: unknown) => {
      await Deno.writeTextFile(
        `${dir}/deno.lock`,
        JSON.stringify({ version: lock.version, specifiers, npm }),
      );
      await Deno.writeTextFile(
        `${dir}/a.ts`,
        'import * as hex from "npm:@noble/ciphers@2.4.0/utils.js";\nhex;\n',
      );
      const { code } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-prompt", "a.ts"],
        cwd: dir,
        stdout: "null",
        stderr: "null",
      }).output();
      return code;
    };
    const key = "@noble/ciphers@2.4.0";
    const specifiers = { [`npm:${key}`]: "2.4.0" };
    assert.equal(await one({ [key]: lock.npm[key] }, specifiers), 0);
    assert.notEqual(await one({}, {}), 0, "a package that the lock does not name");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
