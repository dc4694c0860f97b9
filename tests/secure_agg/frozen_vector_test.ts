import assert from "node:assert/strict";
import { type FrozenVectorStore, resumeUpload, SecAggServer, sessionName } from "../../src/secure_agg/mod.ts";
import { cohort, makeClient, plainSum, runRound } from "./_harness.ts";

function memoryStore(): FrozenVectorStore & { saved: Map<string, Uint8Array[]> } {
  const saved = new Map<string, Uint8Array[]>();
  return {
    saved,
    save: (sid, messages) => {
      assert.ok(!saved.has(sid), "a session is frozen once");
      saved.set(sid, [...messages].map((bytes) => bytes.slice()));
    },
    load: (sid) => saved.get(sid),
  };
}

Deno.test("the vector is stored before its first chunk can leave, and iterating again gives the same bytes", async () => {
  const c = cohort(4);
  const store = memoryStore();
  const { clients, steps } = await runRound(c, {
    client: (i) => i === 0 ? { vectorStore: store } : {},
    drops: new Map([[0, "sign_survivors"]]),
  });
  const step = steps[0];
  assert.ok(step?.kind === "next");
  assert.deepEqual([...step.outbound], store.saved.get(sessionName(clients[0].sid!)));
  assert.deepEqual([...step.outbound], [...step.outbound]);
});

Deno.test("a site that crashed in the middle of its upload resumes with the very same bytes, and counts", async () => {
  const c = cohort(4);
  const store = memoryStore();
  const server = new SecAggServer({ config: c.config, enrolled: c.enrolled });
  const clients = c.ids.map((_, i) => makeClient(c, i, i === 0 ? { vectorStore: store } : {}));
  clients.forEach((client, i) => server.receive(c.ids[i].id, client.begin()));
  while (server.phase !== "finished") {
    await server.close();
    assert.equal(server.error, undefined);
    for (const [i, client] of clients.entries()) {
      const message = server.outboundFor(c.ids[i].id);
      if (message === undefined || (i === 0 && ["sign_survivors", "unmask"].includes(server.phase))) continue;
      const { outbound } = await client.receive(message);
      if (i === 0 && server.phase === "masked_input") {
        // One chunk leaves; then the process dies, and another one has only the store and the session id.
        for (const out of outbound) {
          server.receive("s000", out);
          break;
        }
        const resumed = [...resumeUpload(store, server.sid!)!];
        assert.deepEqual(resumed.map((out) => server.receive("s000", out).kind), [
          "duplicate",
          "accepted",
          "accepted",
          "accepted",
        ]);
        continue;
      }
      for (const out of outbound) server.receive(c.ids[i].id, out);
    }
  }
  assert.deepEqual(server.result!.sum, plainSum(c, [0, 1, 2, 3]));
});

Deno.test("resumeUpload() gives nothing for a session that was not frozen here", () => {
  assert.equal(resumeUpload(memoryStore(), new Uint8Array(32)), undefined);
});

Deno.test("a store that fails ends the session before anything leaves", async () => {
  const c = cohort(5, { nMin: 4 });
  const failing: FrozenVectorStore = {
    save: () => Promise.reject(new Error("disk full")),
    load: () => undefined,
  };
  const { steps, server } = await runRound(c, { client: (i) => i === 0 ? { vectorStore: failing } : {} });
  assert.ok(steps[0]?.kind === "abort");
  assert.equal(steps[0].error.reason, "local_failure");
  assert.equal((steps[0].error.cause as Error).message, "disk full");
  assert.deepEqual(server.result!.survivors, ["s001", "s002", "s003", "s004"]);
});

Deno.test("a vector that cannot be made ends the session for this site; it is never asked for twice", async () => {
  const c = cohort(5, { nMin: 4 });
  let calls = 0;
  const { clients, steps, server } = await runRound(c, {
    client: (i) =>
      i !== 0 ? {} : {
        input: () => {
          calls++;
          throw new Error("training failed");
        },
      },
  });
  assert.equal(calls, 1);
  assert.ok(steps[0]?.kind === "abort");
  assert.equal(clients[0].phase, "aborted");
  assert.deepEqual(server.result!.sum, plainSum(c, [1, 2, 3, 4]));
});

Deno.test("the vector is asked for only after the shares of the others are verified", async () => {
  const c = cohort(5, { nMin: 4 });
  let calls = 0;
  await runRound(c, {
    client: (i) => i !== 0 ? {} : { input: () => (calls++, c.input(0)) },
    toClient: (bytes, i, phase) =>
      i === 0 && phase === "masked_input" ? bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1) : bytes,
  });
  assert.equal(calls, 0);
});
