import assert from "node:assert/strict";
import { countsOf, NONE, suiteEnd, summaryLine, together } from "../../tools/run_tests/summary.ts";

const GOOD = "ok | 12 passed (3 steps) | 0 failed | 2 ignored (1m2s)";
const BAD = ["bad => ./tests/a_test.ts:2:6", "", " FAILURES ", "", "bad => ./tests/a_test.ts:2:6", ""];

Deno.test("countsOf() reads the last line of deno test and no other line", () => {
  assert.deepEqual(countsOf(GOOD), { passed: 12, steps: 3, failed: 0, ignored: 2 });
  assert.deepEqual(countsOf("FAILED | 2 passed (1 step) | 1 failed (13ms)"), {
    passed: 2,
    steps: 1,
    failed: 1,
    ignored: 0,
  });
  assert.deepEqual(countsOf("ok | 0 passed | 0 failed | 4 filtered out (3ms)"), NONE);
  const coloured =
    "\x1b[0m\x1b[32mok\x1b[0m | 12 passed (3 steps) | 0 failed | 2 ignored \x1b[0m\x1b[38;5;245m(1m2s)\x1b[0m";
  assert.deepEqual(countsOf(coloured), countsOf(GOOD), "Deno colours its lines in a pipe too");
  assert.equal(countsOf("a test that prints ok | 1 passed"), undefined);
});

Deno.test("summaryLine() of several suites is one that countsOf() reads again", () => {
  const both = together(countsOf(GOOD)!, { passed: 1, steps: 0, failed: 1, ignored: 0 });
  assert.equal(summaryLine(both, 125), "FAILED | 13 passed (3 steps) | 1 failed | 2 ignored (2m5s)");
  assert.deepEqual(countsOf(summaryLine(both, 125)), both);
  assert.equal(summaryLine({ ...NONE, passed: 1 }, 3), "ok | 1 passed | 0 failed (3s)");
});

Deno.test("suiteEnd() lets no failure, missing summary or exit status pass for success", () => {
  assert.equal(suiteEnd("a", ["x", GOOD], 0).counts.failed, 0);
  const failed = suiteEnd("a", [...BAD, "FAILED | 1 passed | 1 failed (1s)"], 1);
  assert.deepEqual([failed.counts.failed, failed.failures], [1, ["bad => ./tests/a_test.ts:2:6"]]);
  assert.equal(
    suiteEnd("a", ["running 3 tests from ./tests/a_test.ts", "one ... ok (1ms)"], "SIGKILL").counts.failed,
    1,
  );
  assert.equal(suiteEnd("a", [], 1).counts.failed, 1);
  assert.equal(suiteEnd("a", [GOOD], 1).counts.failed, 1, "for example a leak that is found at the very end");
});

Deno.test("suiteEnd() tells of a process that a signal ended after its last test had passed", () => {
  const end = suiteEnd("tensor", [GOOD], "SIGABRT");
  assert.equal(end.counts.failed, 0);
  assert.match(end.remark!, /tests\/tensor\/: the process ended with SIGABRT/);
});
