import assert from "node:assert/strict";
import { Mailbox } from "../../src/federation/mailbox.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("take() gives letters in order and drops what was handled", async () => {
  const mailbox = new Mailbox();
  mailbox.post("plan", 0, bytes("a"));
  mailbox.post("round", 1, bytes("b"));
  const first = await mailbox.take(0, 10);
  assert.equal(first?.kind, "plan");
  assert.equal((await mailbox.take(0, 10))?.sequence, first?.sequence, "an unhandled letter is given again");
  const second = await mailbox.take(first!.sequence, 10);
  assert.equal(second?.kind, "round");
  assert.equal(second?.round, 1);
  assert.equal(await mailbox.take(second!.sequence, 1), undefined);
});

Deno.test("a waiting take() is woken by post()", async () => {
  const mailbox = new Mailbox();
  const waiting = mailbox.take(0, 60_000);
  mailbox.post("done", 0, bytes(""));
  assert.equal((await waiting)?.kind, "done");
  assert.equal(mailbox.emptied, true);
});

Deno.test("close() ends every waiting take(), and later ones at once", async () => {
  const mailbox = new Mailbox();
  const waiting = mailbox.take(0, 60_000);
  mailbox.close();
  assert.equal(await waiting, undefined);
  assert.equal(await mailbox.take(0, 60_000), undefined);
});

Deno.test("clear() forgets old letters but never reuses their numbers", async () => {
  const mailbox = new Mailbox();
  mailbox.post("round", 1, bytes("old"));
  mailbox.clear();
  const after = mailbox.newest;
  mailbox.post("plan", 0, bytes("new"));
  const letter = await mailbox.take(after, 10);
  assert.equal(letter?.sequence, 2);
  assert.equal(letter?.kind, "plan");
});
