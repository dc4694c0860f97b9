import assert from "node:assert/strict";
import { pageOf, type Part, partsIn } from "../../tools/fresh/page.ts";

const part = (name: string, output: string, code = 0): Part => ({
  name,
  kept: ["DENO_TLS_CA_STORE"],
  date: "2026-11-23",
  machine: "2 cores",
  load: 0.5,
  commit: "0123456789abcdef",
  ended: [{ command: "npx -y deno@2.9.5 task demo", code, seconds: 61.04, output, homeBytes: 2 ** 20 }],
});

Deno.test("a page of fresh runs is read back as it was written, so that another run adds to it", () => {
  const page = pageOf([
    part("demo", "made\n\x1b[32mDone in 47 s.\x1b[0m Run folder: /home/a/b\nnpm notice\n"),
  ]);
  const [known] = partsIn(page);
  assert.equal(known.ended[0].output, "Done in 47 s. Run folder: …/b");
  assert.equal(pageOf(partsIn(page)), page);
  const both = pageOf([known, part("test", "ok | 8 passed | 0 failed --> (1s)", 1)]);
  assert.deepEqual(partsIn(both).map(({ name }) => name), ["demo", "test"]);
  assert.match(both, /^## demo: 61 s, all commands ended with 0$/m);
  assert.match(both, /^## test: 61 s, failed$/m);
  assert.match(both, /2 cores, load 0\.5 at the start, commit 0123456789; DENO_TLS_CA_STORE passed on/);
  assert.equal(both.match(/^\| `npx/gm)!.length, 2);
});
