import assert from "node:assert/strict";
import fc from "fast-check";
import { doneSequence, PLAN_SEQUENCE, stepSequence } from "../../src/federation/letter_order.ts";
import { type Letter, Mailbox } from "../../src/federation/mailbox.ts";

const PHASES = ["advertise_keys", "share_keys", "masked_input", "sign_survivors", "unmask"] as const;

const plan: Letter = { sequence: PLAN_SEQUENCE, kind: "plan", round: 0, body: new Uint8Array([1]) };
const order = (round: number): Letter => ({
  sequence: stepSequence(round, "advertise_keys"),
  kind: "round",
  round,
  body: new Uint8Array([round]),
});
const message = (round: number, phase: typeof PHASES[number]): Letter => ({
  ...order(round),
  kind: "secagg",
  sequence: stepSequence(round, phase),
});
const done: Letter = { sequence: doneSequence(3), kind: "done", round: 0, body: new Uint8Array() };

Deno.test("letters of a run are numbered in the order in which they are sent, whatever process sends them", () => {
  const all = [PLAN_SEQUENCE];
  for (let round = 1; round <= 3; round++) {
    for (const phase of [...PHASES, "abort"] as const) all.push(stepSequence(round, phase));
  }
  all.push(doneSequence(3));
  assert.deepEqual(all, [...new Set(all)].sort((a, b) => a - b));
});

Deno.test("take() gives letters in order, and one that was not acknowledged again", async () => {
  const mailbox = new Mailbox();
  mailbox.post(plan);
  mailbox.post(order(1));
  assert.equal((await mailbox.take(0, 10))?.kind, "plan");
  assert.equal((await mailbox.take(0, 10))?.kind, "plan", "an unhandled letter is given again");
  const second = await mailbox.take(plan.sequence, 10);
  assert.deepEqual([second?.kind, second?.round], ["round", 1]);
  assert.equal(await mailbox.take(second!.sequence, 1), undefined);
});

Deno.test("a waiting take() is woken by post()", async () => {
  const mailbox = new Mailbox();
  const waiting = mailbox.take(0, 60_000);
  mailbox.post(done);
  assert.equal((await waiting)?.kind, "done");
});

Deno.test("a site has heard the end only when it asks for more, which is answered at once", async () => {
  const mailbox = new Mailbox();
  mailbox.post(done);
  assert.equal((await mailbox.take(0, 10))?.kind, "done");
  assert.equal(mailbox.emptied, false, "the answer may have been lost");
  assert.equal((await mailbox.take(0, 10))?.kind, "done", "and is given again");
  assert.equal(await mailbox.take(done.sequence, 60_000), undefined);
  assert.equal(mailbox.emptied, true);
});

Deno.test("close() ends every waiting take(), and later ones at once", async () => {
  const mailbox = new Mailbox();
  const waiting = mailbox.take(0, 60_000);
  mailbox.close();
  assert.equal(await waiting, undefined);
  assert.equal(await mailbox.take(0, 60_000), undefined);
});

Deno.test("a site that joined during a step gets nothing of it, and everything of the next", async () => {
  const mailbox = new Mailbox(2);
  mailbox.post(plan);
  mailbox.post(order(2));
  mailbox.post(message(2, "share_keys"));
  assert.equal(await mailbox.take(plan.sequence, 1), undefined);
  mailbox.post(order(3));
  assert.equal((await mailbox.take(plan.sequence, 1))?.round, 3);
});

Deno.test("a site that goes on at a rebuilt mailbox sees what it would have seen at the old one", async () => {
  const letters = [order(1), ...PHASES.slice(1).map((phase) => message(1, phase)), order(2)];
  await fc.assert(fc.asyncProperty(
    fc.nat({ max: letters.length - 1 }),
    fc.nat({ max: letters.length }),
    async (present, handled) => {
      const old = new Mailbox();
      old.post(plan);
      for (const letter of letters.slice(0, present + 1)) old.post(letter);
      // The rebuilt one knows the plan and the present letter only.
      const rebuilt = new Mailbox();
      rebuilt.post(plan);
      rebuilt.post(letters[present]);
      const after = handled === 0 ? plan.sequence : letters[handled - 1].sequence;
      assert.deepEqual(await rebuilt.take(after, 0), await old.take(after, 0));
    },
  ));
});

Deno.test("a body that is posted as its maker is made when it is fetched, and the same again for a lost answer", async () => {
  const mailbox = new Mailbox();
  let made = 0;
  mailbox.post({ ...message(1, "share_keys"), body: () => (made++, new Uint8Array([5])) });
  assert.equal(made, 0);
  const first = await mailbox.take(0, 10);
  assert.deepEqual(first, await mailbox.take(0, 10));
  assert.deepEqual([made, first?.body], [2, new Uint8Array([5])]);
});
