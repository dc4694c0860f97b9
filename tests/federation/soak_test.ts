import assert from "node:assert/strict";
import { measureRounds } from "../../bench/federation/_round.ts";

const ROUNDS = 16;

Deno.test("rounds leave no row, file or socket behind, and every sum is exact", async () => {
  const rounds = await measureRounds({
    cohort: { sites: 4, dimension: 500, rounds: ROUNDS },
    processes: 1,
    masks: "all",
  });
  assert.equal(rounds.length, ROUNDS);
  assert.ok(rounds.every(({ exact, survivors }) => exact && survivors === 4));
  const [early, late] = [rounds[3].held, rounds[ROUNDS - 1].held];
  assert.equal(late.rows, early.rows);
  // A connection may be closed and opened anew between two looks.
  assert.ok(late.handles <= early.handles + 4, `${early.handles} handles, then ${late.handles}`);
});
