import assert from "node:assert/strict";
import type { RoundOutcome, RoundSession } from "../../../src/federation/round_session.ts";
import { offeredPlan, withService } from "./_service.ts";

const head = { sequence: 1, hash: "1".repeat(64) };

Deno.test("bytes that a step keeps stay whole while the same request waits for a letter, and others are given back", async () => {
  await withService(async ({ desk, send }) => {
    await desk.join("a", head);
    desk.offer(offeredPlan());
    await desk.planAnswer("a", { accepted: true, planHash: "plan", head });
    const over = Promise.withResolvers<RoundOutcome>();
    const taken: Uint8Array[] = [];
    // Keeps every second message, as a step keeps chunks.
    const receive = (_: string, bytes: Uint8Array) => Promise.resolve(taken.push(bytes) % 2 === 0);
    const session = { receive, arriving: () => {}, run: () => over.promise, missing: [] };
    const running = desk.runSession(3, () => Promise.resolve(session as unknown as RoundSession));
    await Promise.resolve();
    const octets = { body: new Uint8Array(300), type: "application/octet-stream" };
    for (let i = 0; i < 2; i++) {
      const { status } = await send("POST", "/v1/rounds/3/messages?after=0", octets);
      assert.ok(status === 200 || status === 204, `${status}`);
    }
    assert.deepEqual(taken.map(({ length }) => length), [0, 300]);
    over.resolve({ kind: "aborted", error: new Error("over") });
    await running;
  });
});
