import assert from "node:assert/strict";
import { join } from "node:path";
import { REPOSITORY } from "../../tools/_source_files.ts";
import { BUDGETS_PAGE, budgetsOf, suiteTimes, timesTable } from "../../tools/test_times.ts";

const LOG = `Check file:///a/tests/cli/json_test.ts
running 3 tests from ./tests/cli/json_test.ts
with --json a verb that fails ...
  demo ... ok (1s)
  client ... ok (800ms)
with --json a verb that fails ... ok (2s)
one that says "x ... ok" ... ok (40ms)
------- output -------
a line of somebody ... ok
----- output end -----
[skipped: no Chromium was found] ... ignored (0ms)
running 1 test from ./tests/e2e/crash_test.ts
it goes on ... FAILED (2m3s)
running 1 test from ./tests/cli/terminal_test.ts
a terminal ... ok (960ms)
ok | 4 passed (2 steps) | 1 failed | 1 ignored (2m6s)
`;

Deno.test("suiteTimes() adds up tests by folder, not their steps, not what they print", () => {
  assert.deepEqual(suiteTimes(LOG), [
    { suite: "cli", tests: 3, seconds: 3 },
    { suite: "e2e", tests: 1, seconds: 123 },
  ]);
});

Deno.test("timesTable() names a suite that is over its budget or has none, slowest first", () => {
  const table = timesTable(suiteTimes(LOG), new Map([["e2e", 100], ["dp", 5]])).split("\n");
  assert.match(table[1], /^e2e +1 +123 +100 {2}OVER BUDGET$/);
  assert.match(table[2], /^cli +3 +3 +– {2}no budget$/);
  assert.match(table[3], /^together +4 +126 +105$/);
});

Deno.test("every suite has a time budget, and two at a time they stay below 20 minutes", async () => {
  const budgets = budgetsOf(await Deno.readTextFile(join(REPOSITORY, BUDGETS_PAGE)));
  const suites: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(REPOSITORY, "tests"))) {
    if (isDirectory && name !== "vectors") suites.push(name);
  }
  assert.deepEqual([...budgets.keys()].toSorted(), suites.toSorted());
  assert.ok([...budgets.values()].reduce((sum, seconds) => sum + seconds, 0) <= 2 * 20 * 60);
});
