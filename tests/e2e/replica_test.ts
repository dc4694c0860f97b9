import assert from "node:assert/strict";
import { openStore } from "../../src/federation/store/mod.ts";
import { postgresTest } from "../_postgres.ts";
import { letEvaluate, reached } from "./_evaluating.ts";
import { assertEvaluatedOnce, assertExactRun } from "./_exact_run.ts";
import { TestFederation } from "./_federation.ts";

const STEPS = 3;

/** A federation on a PostgreSQL, whose sites wait long enough for a take-over. */
async function replicated(
  url: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<TestFederation> {
  const dir = await Deno.makeTempDir();
  return await TestFederation.create(dir, STEPS, 30_000, 120_000, { store: url, ...more }, 90);
}

postgresTest(
  "of two replicas the other one goes on when the leader is killed in a step, and in the evaluation once more",
  async ({ url }) => {
    const evaluation = { tasks: ["icu_shock"], epsilon: 100, bins: 6, minimumCount: 8 };
    const federation = await replicated(url, { evaluation });
    try {
      await letEvaluate(federation.dir, { maxEpsilon: 100, minimumCount: 8 });
      const replica = await federation.startReplica("second", {});
      // Every site calls the follower from now on, which passes everything on to the leader.
      federation.leadTo(replica.url);
      const half = reached(federation, 2, "commit_vector");
      federation.start();
      await half;
      await federation.stopAggregator("SIGKILL");
      const evaluating = reached(federation, STEPS + 1, "commit_vector");
      const third = await federation.startReplica("third", {});
      await evaluating;
      federation.leadTo(third.url);
      replica.child.kill("SIGKILL");
      const { code } = await third.child.status;
      assert.equal(code, 0, third.log);
      const result = JSON.parse(await third.stdout);
      assert.equal(result.steps, STEPS);
      assert.deepEqual(Object.keys(result.crossSite.tasks), ["icu_shock"]);
      await assertExactRun(federation, STEPS);
      await assertEvaluatedOnce(federation);
    } finally {
      await federation.close();
    }
  },
);

postgresTest(
  "a leader that was frozen finds itself fenced: it writes nothing, and ends with the other's result",
  async ({ url }) => {
    const federation = await replicated(url);
    const store = await openStore(url);
    try {
      const replica = await federation.startReplica("second", {});
      federation.leadTo(replica.url);
      const half = reached(federation, 2, "share_keys");
      federation.start();
      await half;
      const leader = new TextDecoder().decode(await store.get("leader", "test"));
      federation.aggregator.kill("SIGSTOP");
      const { code } = await replica.child.status;
      assert.equal(code, 0, replica.log);
      await assertExactRun(federation, STEPS);
      assert.notEqual(new TextDecoder().decode(await store.get("leader", "test")), leader);
      const before = [await store.get("run", "test"), await store.newest("audit")];
      federation.aggregator.kill("SIGCONT");
      const old = await federation.finished();
      assert.equal(old.code, 0, old.log);
      assert.equal(JSON.parse(old.stdout).planHash, JSON.parse(await replica.stdout).planHash);
      assert.deepEqual([await store.get("run", "test"), await store.newest("audit")], before);
    } finally {
      await store.close();
      await federation.close();
    }
  },
);
