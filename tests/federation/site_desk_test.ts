import assert from "node:assert/strict";
import type { FedKimError } from "../../src/formats/errors.ts";
import { sha256Hex } from "../../src/formats/canonical_json.ts";
import { EnrollmentBook } from "../../src/federation/enrollment_book.ts";
import { stepSequence } from "../../src/federation/letter_order.ts";
import type { RoundOutcome, RoundSession } from "../../src/federation/round_session.ts";
import { RunStore } from "../../src/federation/run_store.ts";
import { SiteDesk } from "../../src/federation/site_desk.ts";
import { offeredPlan } from "./api/_service.ts";

async function withDesk(
  body: (desk: SiteDesk, again: () => SiteDesk, runs: RunStore) => Promise<void>,
  joinDeadlineMs = 60_000,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const book = await EnrollmentBook.open(dir);
  const runs = new RunStore(book.store, "test", undefined);
  const open = () =>
    new SiteDesk({
      federation: "test",
      sites: ["a", "b", "c"],
      joinDeadlineMs,
      book,
      run: runs,
      audit: book.audit,
      identity: book.identity,
      onProgress: () => {},
      signal: new AbortController().signal,
    });
  await body(open(), open, runs);
  await book.close();
  await Deno.remove(dir, { recursive: true });
}

const head = (sequence: number) => ({ sequence, hash: sequence.toString(16).padStart(64, "0") });

Deno.test("a site whose ledger is older than what it showed at its last step or plan cannot join again", async () => {
  await withDesk(async (desk) => {
    await desk.join("a", head(1));
    desk.offer(offeredPlan());
    await desk.planAnswer("a", { accepted: true, planHash: "plan", head: head(2) });
    await assert.rejects(desk.join("a", head(1)), { code: "LedgerError" });
    const again = await desk.join("a", head(2));
    assert.deepEqual([again.head?.sequence, again.head?.site], [2, "a"]);
  });
});

Deno.test("a step of an older ledger, or of a copy that went its own way, is refused; the same head again is not", async () => {
  await withDesk(async (desk) => {
    await desk.join("a", head(1));
    desk.offer(offeredPlan());
    await desk.planAnswer("a", { accepted: true, planHash: "plan", head: head(2) });
    const over = Promise.withResolvers<RoundOutcome>();
    let taken = 0;
    const session = { receive: () => Promise.resolve(taken++), run: () => over.promise, missing: [] };
    const running = desk.runSession(3, () => Promise.resolve(session as unknown as RoundSession));
    await Promise.resolve();
    const send = (of: { sequence: number; hash: string }) => desk.roundMessage("a", 3, new Uint8Array(), of);
    const reason = (wanted: string) => (error: FedKimError) =>
      error.code === "LedgerError" && error.details.reason === wanted;
    await send(head(3));
    await send(head(3));
    await assert.rejects(send({ sequence: 3, hash: "f".repeat(64) }), reason("forked"));
    await assert.rejects(send(head(2)), reason("rolled_back"));
    assert.equal(taken, 2);
    over.resolve({ kind: "aborted", error: new Error("over") });
    await running;
  });
});

Deno.test("whoever speaks to a step that a stop or a lost store has broken off is told to come back, and its step goes on", async () => {
  await withDesk(async (desk) => {
    await desk.join("a", head(1));
    desk.offer(offeredPlan());
    await desk.planAnswer("a", { accepted: true, planHash: "plan", head: head(2) });
    const broken = { receive: () => true, run: () => Promise.reject(new Error("stopped")), missing: [] };
    const open = () => Promise.resolve(broken as unknown as RoundSession);
    await assert.rejects(desk.runSession(3, open), /stopped/);
    const send = desk.roundMessage("a", 3, new Uint8Array(), head(3));
    await assert.rejects(
      send,
      (error: FedKimError) => error.code === "NetworkError" && error.details.reason === "resuming",
    );
    await desk.farewell(undefined, 0);
    await assert.rejects(desk.roundMessage("a", 3, new Uint8Array()), { code: "UnexpectedMessage" });
  });
});

Deno.test("answers for another plan, and sites of another federation, are refused", async () => {
  await withDesk(async (desk) => {
    await desk.join("a", head(1));
    const answer = { accepted: true, planHash: "other", head: head(2) } as const;
    await assert.rejects(desk.planAnswer("a", answer), { code: "UnexpectedMessage" });
    desk.offer(offeredPlan());
    await assert.rejects(desk.planAnswer("a", answer), { code: "UnexpectedMessage" });
    await assert.rejects(desk.join("stranger", head(1)), { code: "AuthenticationError" });
    await assert.rejects(desk.roundMessage("a", 1, new Uint8Array()), { code: "UnexpectedMessage" });
  });
});

Deno.test("a site that accepts the plan of an earlier run is told to join, and is in the present one then", async () => {
  await withDesk(async (desk) => {
    desk.offer(offeredPlan());
    const earlier = { accepted: true, planHash: "earlier", head: head(1) } as const;
    await assert.rejects(
      desk.planAnswer("a", earlier),
      ({ details }: FedKimError) => details.reason === "not_joined",
    );
    await desk.join("a", head(1));
    await desk.planAnswer("a", { ...earlier, planHash: "plan" });
    assert.ok(desk.present.has("a"));
  });
});

Deno.test("an abort tells who missed it, and the next step replaces it, so that old steps cost a slow site nothing", async () => {
  await withDesk(async (desk) => {
    await desk.join("a", head(1));
    desk.offer(offeredPlan());
    const plan = await desk.nextLetter("a", 0, 10);
    assert.equal(plan?.kind, "plan");
    await desk.planAnswer("a", { accepted: true, planHash: "plan", head: head(2) });
    desk.tellAborted(2, "too few");
    assert.deepEqual((await desk.nextLetter("a", plan!.sequence, 10))?.kind, "abort");
    const sequence = stepSequence(3, "advertise_keys");
    desk.mailboxes.get("a")!.post({ sequence, kind: "round", round: 3, body: new Uint8Array() });
    const letter = await desk.nextLetter("a", plan!.sequence, 10);
    assert.deepEqual([letter?.kind, letter?.round], ["round", 3]);
  });
});

Deno.test("a restarted desk knows who has accepted; others are told to join, and messages to come again", async () => {
  await withDesk(async (desk, again, runs) => {
    desk.offer(offeredPlan());
    for (const site of ["a", "b"]) await desk.join(site, head(1));
    await desk.planAnswer("a", { accepted: true, planHash: "plan", head: head(2) });
    const restarted = again();
    restarted.restore(offeredPlan(), await runs.accepted("plan"), 4);
    assert.deepEqual([...restarted.present], ["a"]);
    assert.equal((await restarted.nextLetter("a", 0, 10))?.kind, "plan");
    assert.equal(await restarted.nextLetter("a", stepSequence(4, "unmask"), 1), undefined);
    await assert.rejects(
      restarted.nextLetter("b", 0, 1),
      (error: FedKimError) => error.details.reason === "not_joined",
    );
    await assert.rejects(restarted.roundMessage("a", 5, new Uint8Array()), { code: "NetworkError" });
  });
});

Deno.test("a site that joins anew takes part from the next step on, also after a restart", async () => {
  await withDesk(async (desk, again, runs) => {
    desk.restore(offeredPlan(), new Map([["a", 0]]), 4);
    await desk.join("a", head(1));
    assert.deepEqual([...await runs.accepted("plan")], [], "not before it has accepted again");
    await desk.planAnswer("a", { accepted: true, planHash: "plan", head: head(2) });
    const restarted = again();
    restarted.restore(offeredPlan(), await runs.accepted("plan"), 4);
    const order = (round: number) => ({
      sequence: stepSequence(round, "advertise_keys"),
      kind: "round" as const,
      round,
      body: new Uint8Array(),
    });
    restarted.mailboxes.get("a")!.post(order(4));
    assert.equal(await restarted.nextLetter("a", 1, 1), undefined);
    restarted.mailboxes.get("a")!.post(order(5));
    assert.equal((await restarted.nextLetter("a", 1, 1))?.round, 5);
  });
});

Deno.test("a refusal ends the wait for the plan with the site's name and code, and nothing else", async () => {
  await withDesk(async (desk) => {
    for (const site of ["a", "b", "c"]) await desk.join(site, head(1));
    const refuse = (planHash: string) =>
      desk.planAnswer("b", { accepted: false, planHash, code: "BudgetExceeded" });
    const plan = offeredPlan();
    const planHash = sha256Hex(plan.sealed);
    await assert.rejects(refuse(planHash), { code: "UnexpectedMessage" }, "nothing is offered yet");
    desk.offer(plan);
    await assert.rejects(refuse("00".repeat(32)), { code: "UnexpectedMessage" }, "another plan");
    const waiting = desk.allAccepted();
    await refuse(planHash);
    await assert.rejects(waiting, /PolicyRefused|The site b refuses the plan\. Found: BudgetExceeded/);
  });
});

Deno.test("only the drawn cohort gets the plan and may accept it; for the others the run is over at once", async () => {
  await withDesk(async (desk) => {
    for (const site of ["a", "b", "c"]) await desk.join(site, head(1));
    desk.offer({ ...offeredPlan(), sites: ["a", "b"] });
    assert.equal((await desk.nextLetter("a", 0, 0))?.kind, "plan");
    const left = await desk.nextLetter("c", 0, 0);
    assert.deepEqual([left?.kind, left?.body.length], ["done", 0]);
    const answer = { accepted: true, planHash: "plan", head: head(2) } as const;
    await assert.rejects(desk.planAnswer("c", answer), { code: "UnexpectedMessage" });
    await Promise.all([desk.planAnswer("a", answer), desk.planAnswer("b", answer)]);
    await desk.allAccepted();
    // One that comes again hears the same.
    await desk.join("c", head(1));
    assert.equal((await desk.nextLetter("c", 0, 0))?.kind, "done");
  });
});

Deno.test("at the deadline a cohort is drawn from those who have come, if they are enough", async () => {
  await withDesk(async (desk) => {
    await desk.join("a", head(1));
    await desk.join("c", head(1));
    assert.deepEqual(await desk.allJoined(2), ["a", "c"]);
    await assert.rejects(desk.allJoined(3), { code: "NetworkError" });
  }, 0);
});
