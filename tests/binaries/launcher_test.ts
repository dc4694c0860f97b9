import assert from "node:assert/strict";
import { join } from "node:path";
import { VERSION } from "../../src/formats/version.ts";
import { makeByDenoCompile } from "../../tools/compile/deno_compile.ts";
import { RECIPES } from "../../tools/compile/recipes.ts";
import { tryRun } from "../../tools/compile/run.ts";
import { makeSelfExtracting } from "../../tools/compile/self_extracting.ts";
import { smokeFault } from "../../tools/compile/smoke.ts";
import { binariesTest } from "./_programs.ts";

const names = async (folder: string) => (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);

binariesTest("a self-extracting program unpacks only where nobody else can have put files", async (t) => {
  const root = await Deno.makeTempDir();
  const file = join(root, "fedkim");
  const env = { PATH: "/usr/bin:/bin" };
  const version = async (extra: Record<string, string>) => {
    const { code, stdout, stderr } = await tryRun(file, ["--version"], {
      env: { ...env, ...extra },
      clearEnv: true,
    });
    assert.equal(code, 0, stderr);
    assert.equal(stdout.trim(), VERSION);
  };
  const folder = async (name: string) => {
    await Deno.mkdir(join(root, name));
    return join(root, name);
  };
  try {
    await makeSelfExtracting(RECIPES[0], file);
    const home = await folder("home");
    const cache = join(home, ".cache", "fedkim");
    await t.step("a named folder comes first and is closed to others", async () => {
      const own = await folder("own");
      await Deno.chmod(own, 0o777);
      await version({ FEDKIM_RUNTIME_DIR: own, HOME: home });
      assert.equal((await Deno.stat(own)).mode! & 0o777, 0o700);
      assert.deepEqual(await names(home), []);
    });
    await t.step("what lies in a folder that was open to others is not run", async () => {
      const open = await folder("open");
      await version({ FEDKIM_RUNTIME_DIR: open, HOME: home });
      const [runtime] = (await names(open)).filter((name) => name.startsWith("deno-"));
      await Deno.remove(join(open, runtime));
      await Deno.writeTextFile(join(open, runtime), "#!/bin/sh\necho planted\n", { mode: 0o755 });
      await Deno.chmod(open, 0o777);
      await version({ FEDKIM_RUNTIME_DIR: open, HOME: home });
      assert.ok((await Deno.stat(join(open, runtime))).size > 1_000_000);
    });
    await t.step("a link is not followed, and a relative path is not taken", async () => {
      const elsewhere = await folder("elsewhere");
      await Deno.symlink(elsewhere, join(root, "link"));
      await version({ FEDKIM_RUNTIME_DIR: join(root, "link"), XDG_CACHE_HOME: "relative", HOME: home });
      assert.deepEqual(await names(elsewhere), []);
      assert.equal((await names(cache)).filter((name) => name.startsWith("fedkim-")).length, 1);
    });
    await t.step("what an interrupted start left is made anew", async () => {
      const [programs] = (await names(cache)).filter((name) => name.startsWith("fedkim-"));
      const [runtime] = (await names(cache)).filter((name) => name.startsWith("deno-"));
      await Deno.remove(join(cache, programs), { recursive: true });
      await Deno.remove(join(cache, runtime));
      await version({ HOME: home });
      assert.deepEqual((await names(cache)).toSorted(), ["cache", runtime, programs].toSorted());
    });
    await t.step("without any usable folder it says what to set", async () => {
      const stubs = await folder("stubs");
      await Deno.writeTextFile(join(stubs, "mkdir"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
      const path = `${stubs}:${env.PATH}`;
      const full = { PATH: path, HOME: await folder("full") };
      const { code, stdout, stderr } = await tryRun(file, ["--version"], { env: full, clearEnv: true });
      assert.deepEqual({ code, stdout }, { code: 1, stdout: "" });
      assert.match(stderr, /no folder to unpack into[^]*Set FEDKIM_RUNTIME_DIR/);
    });
    const asRoot = Deno.uid() === 0;
    await t.step({
      name: asRoot ? "another user's folder is passed over" : "another user's folder [skipped: needs root]",
      ignore: !asRoot,
      fn: async () => {
        const foreign = await folder("foreign");
        await Deno.chmod(foreign, 0o777);
        await Deno.chown(foreign, 65534, 65534);
        await version({ FEDKIM_RUNTIME_DIR: foreign, HOME: home });
        assert.deepEqual(await names(foreign), []);
      },
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

binariesTest(
  "a compiled file whose base ignores the program inside does not pass the smoke test",
  async () => {
    const root = await Deno.makeTempDir();
    const before = Deno.env.get("DENORT_BIN");
    try {
      Deno.env.set("DENORT_BIN", Deno.execPath());
      assert.deepEqual(await makeByDenoCompile(RECIPES[0], join(root, "fedkim")), { made: true });
      assert.match((await smokeFault(join(root, "fedkim")))!, /"--version"/);
    } finally {
      if (before === undefined) Deno.env.delete("DENORT_BIN");
      else Deno.env.set("DENORT_BIN", before);
      await Deno.remove(root, { recursive: true });
    }
  },
);
