import assert from "node:assert/strict";
import { join } from "node:path";
import { federationReport } from "../../cli/federation_report.ts";
import { planWithEvaluation } from "../federation/site_evaluation/_plan.ts";

Deno.test("privacy-report reads the run folder of an aggregator, which holds no site's folder", async () => {
  const run = await Deno.makeTempDir();
  try {
    const plan = planWithEvaluation();
    await Deno.writeTextFile(join(run, "run.json"), JSON.stringify({ plan }));
    const report = await federationReport(run);
    assert.deepEqual(report.sites, []);
    const views = plan.dp.guarantees.length + plan.evaluation.dp.guarantees.length;
    assert.ok(report.views.length >= views, `${report.views.length} views`);
    assert.match(report.summary.at(-1)!, /evaluated on held-out patients/);
  } finally {
    await Deno.remove(run, { recursive: true });
  }
});
