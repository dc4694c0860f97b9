import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../bench/paper/", import.meta.url));

/** Files of the bench that a program loads, itself included, workers too. */
async function loaded(program: string, found = new Set<string>()): Promise<Set<string>> {
  if (found.has(program)) return found;
  found.add(program);
  const text = await Deno.readTextFile(join(folder, program));
  for (const [, path] of text.matchAll(/(?:from|new URL\(|import\()\s*"(\.\/_?[a-z_]+\.ts)"/g)) {
    await loaded(join(dirname(program), path), found);
  }
  return found;
}

Deno.test("the program that chooses settings loads nothing that opens the test part", async () => {
  for (const program of await loaded("_tune_main.ts")) {
    const text = await Deno.readTextFile(join(folder, program));
    assert.ok(!/\.test\b/.test(text), `${program} reads the test folder`);
  }
  assert.ok((await loaded("_tune_main.ts")).has("_tune_worker.ts"));
  const frozen = await Deno.readTextFile(join(folder, "_frozen_worker.ts"));
  assert.match(frozen, /\)\)\.test\)/);
});
