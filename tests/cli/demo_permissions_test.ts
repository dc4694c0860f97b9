import assert from "node:assert/strict";
import { join } from "node:path";
import { DemoPermissions } from "../../cli/_demo_permissions.ts";

const SITES = ["mercy", "north"];

/** Prints which of the files of its arguments it may read. */
const PROBE = `
for (const path of Deno.args) {
  try {
    Deno.readTextFileSync(path);
    console.log(path);
  } catch (error) {
    if (error.name !== "NotCapable") throw error;
  }
}
if (Deno.permissions.querySync({ name: "run" }).state === "granted") console.log("run");
if (Deno.permissions.querySync({ name: "env" }).state === "granted") console.log("env");
if (Deno.permissions.querySync({ name: "ffi" }).state === "granted") console.log("ffi");
`;

Deno.test("the demo's aggregator sees no site's key or data, and a site's worker no other's, also where one folder holds them all", async () => {
  // A comma in a path must not end it.
  const run = await Deno.realPath(await Deno.makeTempDir({ prefix: "a,b" }));
  try {
    const files = {
      own: join(run, "aggregator", "identity.json"),
      public: join(run, "data", "public", "dataset.json"),
      ...Object.fromEntries(SITES.flatMap((site) => [
        [`${site} key`, join(run, "sites", site, "identity.json")],
        [`${site} data`, join(run, "data", site, "dataset.json")],
      ])),
    };
    for (const file of Object.values(files)) {
      await Deno.mkdir(join(file, ".."), { recursive: true });
      await Deno.writeTextFile(file, "{}");
    }
    const probe = join(run, "probe.ts");
    await Deno.writeTextFile(probe, PROBE);
    const sites = SITES.map((name) => ({ name, folder: join(run, "data", name) }));
    const granted = await DemoPermissions.of({ run, sites, public: [join(run, "data", "public")] });
    const seenBy = async (flags: readonly string[]) => {
      const args = [
        "run",
        "--no-config",
        "--no-lock",
        "--no-check",
        ...flags,
        probe,
        ...Object.values(files),
      ];
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      assert.ok(success, text(stderr));
      const lines = text(stdout).trim().split("\n");
      return lines.map((line) => Object.entries(files).find(([, path]) => path === line)?.[0] ?? line);
    };
    assert.deepEqual(await seenBy(await granted.aggregator("127.0.0.1:0")), ["own", "public"]);
    assert.deepEqual(
      await seenBy(await granted.client(sites[0], "http://127.0.0.1:7731")),
      ["mercy key", "mercy data"],
    );
  } finally {
    await Deno.remove(run, { recursive: true });
  }
});

Deno.test("data behind symbolic links are granted to those who may see them, and denied to the others", async () => {
  const box = await Deno.realPath(await Deno.makeTempDir());
  try {
    const elsewhere = join(box, "elsewhere");
    for (const part of ["public", ...SITES]) {
      await Deno.mkdir(join(elsewhere, part, "icu"), { recursive: true });
      await Deno.writeTextFile(join(elsewhere, part, "icu", "own.json"), "{}");
    }
    await Deno.writeTextFile(join(box, "linked.json"), "{}");
    await Deno.symlink(join(box, "linked.json"), join(elsewhere, "mercy", "icu", "linked.json"));
    const data = join(box, "data");
    await Deno.symlink(elsewhere, data);
    const run = join(box, "run");
    const sites = SITES.map((name) => ({ name, folder: join(data, name) }));
    const granted = await DemoPermissions.of({ run, sites, public: [join(data, "public")] });
    const probe = join(box, "probe.ts");
    await Deno.writeTextFile(probe, PROBE);
    const files = [
      "public/icu/own.json",
      "mercy/icu/own.json",
      "mercy/icu/linked.json",
      "north/icu/own.json",
    ];
    const seenBy = async (flags: readonly string[]) => {
      const plain = ["run", "--no-config", "--no-lock", "--no-check"];
      const args = [...plain, ...flags, probe, ...files.map((file) => join(data, file))];
      const { stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
      const lines = new TextDecoder().decode(stdout).trim().split("\n");
      return files.filter((file) => lines.includes(join(data, file)));
    };
    assert.deepEqual(await seenBy(await granted.aggregator("127.0.0.1:0")), [files[0]]);
    assert.deepEqual(
      await seenBy(await granted.client(sites[0], "http://127.0.0.1:7731")),
      files.slice(1, 3),
    );
  } finally {
    await Deno.remove(box, { recursive: true });
  }
});
