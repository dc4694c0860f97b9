import assert from "node:assert/strict";
import { SESSION_MS, SignIn, TICKET_MS } from "../../../src/federation/dashboard/sign_in.ts";
import { openStore } from "../../../src/federation/store/mod.ts";
import { generateIdentity } from "../../../src/secure_agg/mod.ts";
import { enroll, withService } from "../api/_service.ts";

Deno.test("a ticket opens one session, within its time, and the store keeps no secret of either", async () => {
  const store = await openStore(":memory:");
  const signIn = new SignIn(store);
  const ticket = await signIn.ticket("ann", 0);
  assert.equal(await signIn.open(ticket, TICKET_MS), undefined, "too late");
  const good = await signIn.ticket("ann", 0);
  const opened = await Promise.all([signIn.open(good, 1), signIn.open(good, 1)]);
  assert.equal(opened.filter((session) => session !== undefined).length, 1);
  const session = opened.find((found) => found !== undefined)!;
  assert.equal(await signIn.member(session, 2), "ann");
  assert.equal(await signIn.member(session, SESSION_MS + 1), undefined);
  assert.equal(await signIn.member("00".repeat(32), 2), undefined);
  const again = (await signIn.open(await signIn.ticket("ann")))!;
  const keys = [...await store.keys("session"), ...await store.keys("ticket")];
  assert.ok(keys.length > 0 && !keys.includes(again) && !keys.includes(good));
  await signIn.close(again);
  assert.equal(await signIn.member(again), undefined);
  await store.close();
});

Deno.test("strangers, used links and revoked members see nothing, a site sees itself only", async () => {
  await withService(async ({ send, book, site }) => {
    const operator = generateIdentity("olga");
    await enroll(book, operator, "operator");
    await enroll(book, generateIdentity("b"));
    const get = (path: string, cookie = "") => send("GET", path, { signer: "nobody", headers: { cookie } });
    const enter = async (who: typeof site): Promise<string> => {
      const { path } = await (await send("POST", "/v1/ticket", { signer: who })).json();
      const response = await get(path);
      assert.equal((await get(path)).status, 401, "the link opens once");
      const cookie = response.headers.get("set-cookie")!;
      assert.match(cookie, /HttpOnly/);
      assert.match(cookie, /SameSite=Strict/);
      return cookie.split(";")[0];
    };
    for (const path of ["/dashboard", "/dashboard/report", "/dashboard/events"]) {
      const response = await get(path);
      assert.equal(response.status, 401);
      assert.doesNotMatch(await response.text(), /olga/);
    }
    const all = await enter(operator);
    const whole = await (await get("/dashboard", all)).text();
    assert.match(whole, /olga/);
    assert.match(whole, /<th scope="row">b<\/th>/);
    const own = await enter(site);
    const self = await (await get("/dashboard", own)).text();
    assert.doesNotMatch(self, /olga|>b<|Audit log/);
    assert.match(self, /This site/);
    await book.revoke("olga");
    assert.equal((await get("/dashboard", all)).status, 401);
    const left = await send("POST", "/dashboard/leave", { signer: "nobody", headers: { cookie: own } });
    assert.equal(left.status, 303);
    assert.equal((await get("/dashboard", own)).status, 401);
    const policy = (await get("/dashboard")).headers.get("content-security-policy")!;
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  });
});
