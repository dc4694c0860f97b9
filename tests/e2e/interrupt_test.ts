import assert from "node:assert/strict";
import { root } from "../_fedkim.ts";

Deno.test("Ctrl-C stops the demo with exit status 130, one sentence and no process left", async () => {
  const out = await Deno.makeTempDir();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", "cli/main.ts", "demo", "--out", `${out}/run`],
    cwd: root,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  }).spawn();
  let log = "";
  let pids: number[] = [];
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    log += text;
    if (pids.length === 0 && log.includes("Private aggregation steps")) {
      pids = childrenOf(child.pid);
      child.kill("SIGINT");
    }
  }
  assert.equal((await child.status).code, 130, log);
  assert.match(log.trimEnd().split("\n").at(-1)!, /^Interrupted: /);
  assert.equal(pids.length, 5, "an aggregator and four sites were running");
  for (const pid of pids) assert.throws(() => Deno.statSync(`/proc/${pid}`), Deno.errors.NotFound);
  await Deno.remove(out, { recursive: true });
});

/** Direct children of a process (Linux). */
function childrenOf(pid: number): number[] {
  return [...Deno.readDirSync(`/proc/${pid}/task`)].flatMap(({ name }) =>
    Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`).split(" ").filter(Boolean).map(Number)
  );
}
