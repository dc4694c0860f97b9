import assert from "node:assert/strict";
import { graphParams, simulate } from "../../src/secure_agg/mod.ts";

Deno.test("a simulated round on a ring gives the exact sum, and its sites deal with their neighbours only", async () => {
  const { graph, threshold } = graphParams({ n: 260, profile: "curious", dimension: 3 });
  assert.ok(graph.kind === "ring");
  const options = { sites: 260, dimension: 3, profile: "curious", drop: 2, rounds: 1, byzantine: 0 } as const;
  for await (const report of simulate({ ...options, pick: () => 0, clock: () => 0 })) {
    assert.deepEqual(
      [report.degree, report.threshold, report.survivors, report.exact],
      [graph.degree, threshold, 258, true],
    );
    // Shares go to the neighbours alone: 82 bytes for each, and the same again with a hash when they come back.
    const { median } = report.measured.client.bytes;
    assert.ok(median > graph.degree * (82 + 114) && median < graph.degree * 700, `${median}`);
  }
});

Deno.test("a simulated cohort so large that its vectors could overflow the ring gets a smaller bound", async () => {
  const options = {
    sites: 4096,
    dimension: 1,
    profile: "curious",
    drop: 0,
    rounds: 1,
    byzantine: 0,
  } as const;
  const begun = new Error("the configuration was taken");
  const progress = () => {
    throw begun;
  };
  const round = simulate({ ...options, pick: () => 0, clock: () => 0, progress });
  await assert.rejects(round.next(), begun);
});
