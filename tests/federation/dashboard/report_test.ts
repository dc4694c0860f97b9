import assert from "node:assert/strict";
import { ReportPages } from "../../../src/federation/dashboard/report.ts";
import type { LedgerStatement } from "../../../src/federation/ledger_statement.ts";
import type { SiteRow } from "../../../src/federation/dashboard/snapshot.ts";
import { makePlan } from "../_plan.ts";
import { offeredPlan, withService } from "../api/_service.ts";
import { planWithEvaluation } from "../site_evaluation/_plan.ts";
import { snapshot } from "./_snapshot.ts";

const plan = makePlan();
const row: SiteRow = {
  ...{ site: "a", role: "site", state: "present", software: undefined, lastSeen: undefined, steps: 3 },
  ...{ head: { sequence: 4, hash: "c".repeat(64) }, statement: undefined },
};

Deno.test("the report speaks of the steps that have begun, of all of them before the first, and never of more", () => {
  const pages = new ReportPages();
  const run = (steps: number) =>
    /(\d+) run of (\d+) planned/.exec(
      pages.page({ ...snapshot, history: [{ round: steps, sites: 4, error: undefined }] }, plan, [row]),
    )![1];
  assert.deepEqual([run(3), run(10), run(11)], ["3", "10", "10"]);
  assert.match(pages.page(snapshot, plan, []), /10 run of 10 planned/);
});

Deno.test("the report names what the evaluation at the sites costs those who are held out", () => {
  const evaluated = planWithEvaluation();
  const page = new ReportPages().page(snapshot, evaluated, [row]);
  const [{ population, epsilon }] = evaluated.evaluation.dp.guarantees;
  assert.ok(page.includes(`${epsilon.toFixed(3)} for one`), "epsilon of the release");
  assert.ok(page.includes(population), population);
  assert.ok(!new ReportPages().page(snapshot, plan, [row]).includes(population));
});

Deno.test("a report is made once while nothing changes, and anew when a head or a statement does", () => {
  const pages = new ReportPages();
  const first = pages.page(snapshot, plan, [row]);
  assert.match(first, /4, cccccccccccccccc…/);
  assert.equal(pages.page(snapshot, plan, [row]), first);
  assert.notEqual(
    pages.page(snapshot, plan, [{ ...row, head: { sequence: 5, hash: "d".repeat(64) } }]),
    first,
  );
  const statement: LedgerStatement = {
    ...{ site: "a", head: row.head!, since: "2026-01-01T00:00:00Z", tornLines: 0, budgetChanges: [] },
    rows: [{
      ...{ population: "icu", unit: "patient", neighboring: "add_or_remove_one", budget: 8, delta: 1e-5 },
      ...{ deltaLeft: 0, spent: 1.234, left: 6.766, committed: 4, rounds: 3 },
    }],
  };
  assert.match(pages.page(snapshot, plan, [{ ...row, statement }]), /1\.24 of 8/);
});

Deno.test("after a restart a site that has accepted the plan counts as charged for every step before it", async () => {
  await withService(({ desk }) => {
    desk.restore(offeredPlan(), new Map([["a", 1]]), 4);
    assert.equal(desk.stepsOf("a"), 4);
    assert.equal(desk.stepsOf("b"), 0);
    return Promise.resolve();
  });
});
