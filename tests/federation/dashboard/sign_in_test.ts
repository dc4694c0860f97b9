import assert from "node:assert/strict";
import { SESSION_MS, SignIn, TICKET_MS } from "../../../src/federation/dashboard/sign_in.ts";
import { ROTATE_LABEL } from "../../../src/federation/enrollment_book.ts";
import { toHex } from "../../../src/formats/hex.ts";
import { generateIdentity, signLabelled } from "../../../src/secure_agg/mod.ts";
import { enroll, withService } from "../api/_service.ts";

Deno.test("a ticket opens one session, within its time, and the store keeps no secret of either", async () => {
  await withService(async ({ book }) => {
    const signIn = new SignIn(book);
    const ticket = await signIn.ticket("a", 0);
    assert.equal(await signIn.open(ticket, TICKET_MS), undefined, "too late");
    const good = await signIn.ticket("a", 0);
    const opened = await Promise.all([signIn.open(good, 1), signIn.open(good, 1)]);
    assert.equal(opened.filter((session) => session !== undefined).length, 1);
    const session = opened.find((found) => found !== undefined)!;
    assert.equal(await signIn.member(session, 2), "a");
    assert.equal(await signIn.member(session, SESSION_MS + 1), undefined);
    for (const wrong of [`a.${"00".repeat(32)}`, `b.${session.slice(2)}`, session.slice(2), "", "../a.x"]) {
      assert.equal(await signIn.member(wrong, 2), undefined);
    }
    const keys = await book.store.keys("session/a");
    assert.ok(keys.length === 1 && !session.includes(keys[0]));
    await signIn.close(session);
    assert.equal(await signIn.member(session, 2), undefined);
  });
});

Deno.test("open passes of a member stay few, and a new key closes what the old one opened", async () => {
  await withService(async ({ book }) => {
    const signIn = new SignIn(book);
    for (let i = 0; i < 40; i++) await signIn.ticket("a");
    assert.ok((await book.store.keys("ticket/a")).length <= 10);
    const session = (await signIn.open(await signIn.ticket("a")))!;
    assert.equal(await signIn.member(session), "a");
    const next = generateIdentity("a");
    const key = toHex(next.publicKey);
    const proof = signLabelled(next, ROTATE_LABEL, new TextEncoder().encode(`a\n${key}`));
    await book.rotate("a", key, toHex(proof));
    assert.equal(await signIn.member(session), undefined);
  });
});

Deno.test("strangers, used links and revoked members see nothing, a site sees itself only", async () => {
  await withService(async ({ send, book, site }) => {
    const operator = generateIdentity("olga");
    await enroll(book, operator, "operator");
    await enroll(book, generateIdentity("b"));
    const get = (path: string, cookie = "") => send("GET", path, { signer: "nobody", headers: { cookie } });
    const enter = async (who: typeof site): Promise<string> => {
      const { path } = await (await send("POST", "/v1/ticket", { signer: who })).json();
      for (const method of ["GET", "HEAD"]) {
        assert.equal(
          (await send(method, path, { signer: "nobody" })).headers.get("set-cookie"),
          null,
          "looking is free",
        );
      }
      const press = () =>
        send("POST", "/dashboard/enter", {
          signer: "nobody",
          body: `ticket=${new URL(path, "http://aggregator").searchParams.get("ticket")}`,
          type: "application/x-www-form-urlencoded",
        });
      const response = await press();
      assert.equal(response.status, 303);
      assert.equal((await press()).status, 401, "the link opens once");
      const cookie = response.headers.get("set-cookie")!;
      assert.match(cookie, /HttpOnly/);
      assert.match(cookie, /SameSite=Strict/);
      assert.match(cookie, /Secure/);
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
