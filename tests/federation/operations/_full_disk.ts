import assert from "node:assert/strict";

/** Registers a test that gets a small file system, 8 MiB unless told otherwise; skipped visibly where none can be mounted. */
export function fullDiskTest(name: string, body: (dir: string) => Promise<void>, size = "8m"): void {
  const mountable = Deno.build.os === "linux" && Deno.uid() === 0 && tryMount();
  Deno.test({
    name: mountable ? name : `${name} (skipped: no tmpfs can be mounted)`,
    ignore: !mountable,
    fn: async () => {
      const dir = await Deno.makeTempDir();
      assert.ok(run("mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", dir));
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
export function fill(dir: string): void {
  using file = Deno.openSync(`${dir}/filler`, { write: true, create: true });
  const block = new Uint8Array(4096);
  try {
    for (;;) file.writeSync(block);
  } catch (error) {
    assert.match(String(error), /No space left/);
  }
}
