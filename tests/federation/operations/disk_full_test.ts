import assert from "node:assert/strict";
import { openStore } from "../../../src/federation/store/mod.ts";
import { writeDurable } from "../../../src/formats/durable_file.ts";

/** Registers a test that gets a file system of 1 MiB; skipped visibly where none can be mounted. */
function fullDiskTest(name: string, body: (dir: string) => Promise<void>): void {
  const mountable = Deno.build.os === "linux" && Deno.uid() === 0 && tryMount();
  Deno.test({
    name: mountable ? name : `${name} (skipped: no tmpfs can be mounted)`,
    ignore: !mountable,
    fn: async () => {
      const dir = await Deno.makeTempDir();
      assert.ok(run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir));
      try {
        await body(dir);
      } finally {
        run("umount", "-l", dir);
        await Deno.remove(dir);
      }
    },
  });
}

function tryMount(): boolean {
  const dir = Deno.makeTempDirSync();
  const mounted = run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir);
  if (mounted) run("umount", dir);
  Deno.removeSync(dir);
  return mounted;
}

function run(program: string, ...args: string[]): boolean {
  try {
    return new Deno.Command(program, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Writes until there is no room. */
function fill(dir: string): void {
  using file = Deno.openSync(`${dir}/filler`, { write: true, create: true });
  const block = new Uint8Array(4096);
  try {
    for (;;) file.writeSync(block);
  } catch (error) {
    assert.match(String(error), /No space left/);
  }
}

fullDiskTest("on a full disk a durable file keeps its old content and the write fails", async (dir) => {
  await writeDurable(`${dir}/progress.json`, "old");
  fill(dir);
  await assert.rejects(writeDurable(`${dir}/progress.json`, "x".repeat(100_000)), /No space left/);
  assert.equal(await Deno.readTextFile(`${dir}/progress.json`), "old");
});

fullDiskTest(
  "on a full disk the store refuses, and after room is made nothing is lost",
  async (dir) => {
    const store = await openStore(`${dir}/store.sqlite`);
    const kept = new TextEncoder().encode("kept");
    await store.put("space", "before", kept);
    fill(dir);
    let written = 0;
    await assert.rejects(async () => {
      for (; written < 100; written++) await store.put("space", `n${written}`, new Uint8Array(50_000));
    }, /full/);
    await Deno.remove(`${dir}/filler`);
    await store.close();
    const again = await openStore(`${dir}/store.sqlite`);
    assert.deepEqual(new Uint8Array((await again.get("space", "before"))!), kept);
    await again.put("space", "after", kept);
    assert.deepEqual(new Uint8Array((await again.get("space", "after"))!), kept);
    await again.close();
  },
);
