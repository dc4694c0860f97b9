import assert from "node:assert/strict";
import { EnrollmentBook } from "../../src/federation/enrollment_book.ts";
import { SiteDesk } from "../../src/federation/site_desk.ts";

async function withDesk(body: (desk: SiteDesk) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const book = await EnrollmentBook.open(dir);
  await body(
    new SiteDesk({
      federation: "test",
      sites: ["a", "b", "c"],
      joinDeadlineMs: 60_000,
      book,
      identity: book.identity,
      onProgress: () => {},
      signal: new AbortController().signal,
    }),
  );
  await book.close();
  await Deno.remove(dir, { recursive: true });
}

const head = (sequence: number) => ({ sequence, hash: sequence.toString(16).padStart(64, "0") });

Deno.test("a site whose ledger is older than what it showed at its last step or plan cannot join again", async () => {
  await withDesk(async (desk) => {
    await desk.join("a", head(1));
    desk.offer("plan", new Uint8Array([1]));
    await desk.planAnswer("a", { accepted: true, planHash: "plan", head: head(2) });
    await assert.rejects(desk.join("a", head(1)), { code: "LedgerError" });
    const again = await desk.join("a", head(2));
    assert.deepEqual([again.head?.sequence, again.head?.site], [2, "a"]);
  });
});

Deno.test("answers for another plan, and sites of another federation, are refused", async () => {
  await withDesk(async (desk) => {
    await desk.join("a", head(1));
    const answer = { accepted: true, planHash: "other", head: head(2) } as const;
    await assert.rejects(desk.planAnswer("a", answer), { code: "UnexpectedMessage" });
    desk.offer("plan", new Uint8Array([1]));
    await assert.rejects(desk.planAnswer("a", answer), { code: "UnexpectedMessage" });
    await assert.rejects(desk.join("stranger", head(1)), { code: "AuthenticationError" });
    await assert.rejects(desk.roundMessage("a", 1, new Uint8Array()), { code: "UnexpectedMessage" });
  });
});

Deno.test("a slow site finds only the newest step in its mailbox, so that old ones cost it nothing", async () => {
  await withDesk(async (desk) => {
    await desk.join("a", head(1));
    desk.tellAll("round", new Uint8Array([1]), 1);
    desk.offer("plan", new Uint8Array([1]));
    const plan = await desk.nextLetter("a", 0, 10);
    assert.equal(plan?.kind, "plan", "no step before the plan is accepted");
    await desk.planAnswer("a", { accepted: true, planHash: "plan", head: head(2) });
    desk.tellAll("round", new Uint8Array([2]), 2);
    desk.tellAll("abort", new Uint8Array([2]), 2);
    desk.tellAll("round", new Uint8Array([3]), 3);
    const letter = await desk.nextLetter("a", plan!.sequence, 10);
    assert.deepEqual([letter?.kind, letter?.round], ["round", 3]);
  });
});

Deno.test("a refusal ends the wait for the plan with the site's name and code, and nothing else", async () => {
  await withDesk(async (desk) => {
    for (const site of ["a", "b", "c"]) await desk.join(site, head(1));
    desk.offer("plan", new Uint8Array([1]));
    const waiting = desk.allAccepted();
    await desk.planAnswer("b", { accepted: false, code: "BudgetExceeded" });
    await assert.rejects(waiting, /PolicyRefused|The site b refuses the plan\. Found: BudgetExceeded/);
  });
});
