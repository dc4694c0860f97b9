import assert from "node:assert/strict";
import { Paced } from "../../../src/federation/dashboard/paced.ts";
import { NOTED_MS, SignIn } from "../../../src/federation/dashboard/sign_in.ts";
import { StreamCap } from "../../../src/federation/dashboard/stream_cap.ts";
import { withService } from "../api/_service.ts";

/** A clock that moves only while somebody waits. */
function paced(): { readonly asked: Paced<number>; readonly begun: number[] } {
  let now = 0;
  const begun: number[] = [];
  const work = () => Promise.resolve(begun.push(now));
  const wait = (ms: number) => {
    now += ms;
    return Promise.resolve();
  };
  return { asked: new Paced(work, 1000, wait, () => now), begun };
}

Deno.test("however many ask, work is begun at most once a second, and nobody gets what is older than a change", async () => {
  const { asked, begun } = paced();
  assert.deepEqual(await Promise.all(Array.from({ length: 50 }, () => asked.get())), new Array(50).fill(1));
  asked.touch();
  assert.deepEqual(await Promise.all(Array.from({ length: 50 }, () => asked.get())), new Array(50).fill(2));
  assert.equal(await asked.get(), 2, "nothing has changed");
  assert.deepEqual(begun, [0, 1000]);
});

Deno.test("event streams are few for each member and in all, and a closed one gives its place back once", () => {
  const cap = new StreamCap({ perMember: 2, total: 3 });
  const first = cap.enter("a")!;
  assert.ok(cap.enter("a"));
  assert.equal(cap.enter("a"), undefined);
  assert.ok(cap.enter("b"));
  assert.equal(cap.enter("c"), undefined, "all places are taken");
  first();
  first();
  assert.ok(cap.enter("c"));
  assert.equal(cap.enter("c"), undefined, "one place was given back, not two");
});

Deno.test("a member that opens page after page is told that there are enough", async () => {
  await withService(async ({ app, book }) => {
    const signIn = new SignIn(book);
    const session = (await signIn.open(await signIn.ticket("a")))!;
    const open = () => app.request("/dashboard/events", { headers: { cookie: `fedkim_session=${session}` } });
    const streams = await Promise.all(Array.from({ length: 9 }, open));
    assert.deepEqual(streams.map(({ status }) => status).sort(), [...new Array(8).fill(200), 429]);
    const [closed, ...others] = streams.filter(({ status }) => status === 200);
    await closed.body!.cancel();
    const again = await open();
    assert.equal(again.status, 200);
    for (const stream of [...others, again]) await stream.body!.cancel();
  });
});

Deno.test("sign-ins of one day are one entry of the audit log, the next one counts them, and the chain holds", async () => {
  await withService(async ({ book }) => {
    const signIn = new SignIn(book);
    for (let i = 0; i < 20; i++) await signIn.note("a", i);
    await signIn.note("b", 0);
    await signIn.note("a", NOTED_MS);
    const noted = (await book.audit.read()).filter(({ event }) => event === "signed_in");
    assert.deepEqual(noted.map(({ actor, details }) => [actor, details]), [
      ["a", {}],
      ["b", {}],
      ["a", { repeatedBefore: 19 }],
    ]);
    assert.equal((await book.audit.verify())!.hash, noted.at(-1)!.hash);
  });
});
