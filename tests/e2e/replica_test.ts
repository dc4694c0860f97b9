import assert from "node:assert/strict";
import { decodeMessage } from "../../src/secure_agg/mod.ts";
import { openStore } from "../../src/federation/store/mod.ts";
import { postgresTest } from "../_postgres.ts";
import { assertExactRun } from "./_exact_run.ts";
import { TestFederation } from "./_federation.ts";

const STEPS = 3;

/** Resolves when a site sends a message of a type in a step. */
function reached(federation: TestFederation, step: number, type: string): Promise<void> {
  return new Promise((resolve) => {
    federation.onSeen = ({ path, body }) => {
      if (path === `/v1/rounds/${step}/messages` && decodeMessage(body).type === type) resolve();
    };
  });
}

/** A federation on a PostgreSQL, whose sites wait long enough for a take-over. */
async function replicated(url: string): Promise<TestFederation> {
  return await TestFederation.create(await Deno.makeTempDir(), STEPS, 30_000, 120_000, { store: url }, 90);
}

postgresTest(
  "of two replicas the other one finishes when the leader is killed in a step, and sites may call either",
  async ({ url }) => {
    const federation = await replicated(url);
    try {
      const replica = await federation.startReplica("second", {});
      // Every site calls the follower from now on, which passes everything on to the leader.
      federation.leadTo(replica.url);
      const half = reached(federation, 2, "commit_vector");
      federation.start();
      await half;
      await federation.stopAggregator("SIGKILL");
      const { code } = await replica.child.status;
      assert.equal(code, 0, replica.log);
      assert.equal(JSON.parse(await replica.stdout).steps, STEPS);
      await assertExactRun(federation, STEPS);
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
