import assert from "node:assert/strict";
import {
  ENROLL_LABEL,
  EnrollmentBook,
  INVITE_MS,
  ROTATE_LABEL,
} from "../../../src/federation/enrollment_book.ts";
import { decodeInvite, encodeInvite } from "../../../src/federation/invite.ts";
import { checkCountersignedHead, countersignHead } from "../../../src/federation/ledger_head.ts";
import {
  HEADERS,
  PROTOCOL,
  REQUEST_WINDOW_SECONDS,
  RequestVerifier,
  type RequestVerifierOptions,
  signRequest,
} from "../../../src/federation/request_auth.ts";
import { readPolicy, writePolicy } from "../../../src/federation/site_policy.ts";
import { SiteProgress } from "../../../src/federation/site_state.ts";
import { toHex } from "../../../src/formats/hex.ts";
import { generateIdentity, signLabelled } from "../../../src/secure_agg/mod.ts";
import { aggregator, openPolicy, sites } from "../_plan.ts";

const [site, other] = sites;
const body = new TextEncoder().encode("hello");
/** Verifies headers and body as the service does, one after the other. */
function checker(options: RequestVerifierOptions) {
  const inner = new RequestVerifier(options);
  return {
    async verify(
      method: string,
      path: string,
      headers: Headers,
      content: Uint8Array,
      now?: number,
    ): Promise<string> {
      const request = await inner.authenticate(method, path, headers, now);
      await inner.accept(request, content);
      return request.name;
    },
  };
}
const verifier = () => {
  const seen = new Set<string>();
  return checker({
    publicKeyOf: (name) => Promise.resolve(sites.find(({ id }) => id === name)?.publicKey),
    once: (nonce) => Promise.resolve(!seen.has(nonce) && seen.add(nonce) !== undefined),
  });
};
const denied = { code: "AuthenticationError" };

Deno.test("verify() names the sender of a signed request, once", async () => {
  const desk = verifier();
  const headers = signRequest(site, "POST", "/v1/join?a=b", body);
  assert.equal(await desk.verify("POST", "/v1/join?a=b", headers, body), site.id);
  await assert.rejects(desk.verify("POST", "/v1/join?a=b", headers, body), /seen before/);
});

Deno.test("verify() refuses other paths, queries, methods, bodies, senders and strangers", async () => {
  const headers = signRequest(site, "POST", "/v1/join?a=b", body);
  const refused = (
    method: string,
    path: string,
    changed: Headers,
    content: Uint8Array,
    expected: object = denied,
  ) => assert.rejects(verifier().verify(method, path, changed, content), expected);
  const changed = (name: string, change: (value: string) => string) => {
    const copy = new Headers(headers);
    copy.set(name, change(copy.get(name)!));
    return copy;
  };
  await refused("POST", "/v1/rounds/1/messages", headers, body);
  await refused("POST", "/v1/join?a=c", headers, body);
  await refused("GET", "/v1/join?a=b", headers, body);
  await refused("POST", "/v1/join?a=b", headers, new Uint8Array(5));
  const path = ["POST", "/v1/join?a=b"] as const;
  await refused(...path, changed("signature-input", (v) => v.replace(site.id, other.id)), body);
  await refused(
    ...path,
    changed("signature-input", (v) => v.replace(/expires=\d+/, "expires=99999999999")),
    body,
  );
  await refused(...path, changed("signature-input", (v) => v.replace('"@query" ', "")), body);
  await refused(...path, changed("signature", (v) => v.replace(/=:./, "=:!")), body);
  await refused(...path, changed(HEADERS.protocol, () => "1"), body);
  await refused(...path, new Headers(), body);
  await refused(...path, signRequest(generateIdentity("zz"), ...path, body), body, /not enrolled/);
});

Deno.test("verify() accepts clocks that differ by less than five minutes, and nothing older or newer", async () => {
  const now = Date.now();
  const at = (seconds: number) =>
    verifier().verify(
      "GET",
      "/v1/letters",
      signRequest(site, "GET", "/v1/letters", body, now + 1000 * seconds),
      body,
      now,
    );
  for (const seconds of [-REQUEST_WINDOW_SECONDS + 2, 0, REQUEST_WINDOW_SECONDS - 2]) await at(seconds);
  for (
    const seconds of [-2 * REQUEST_WINDOW_SECONDS, -REQUEST_WINDOW_SECONDS - 2, REQUEST_WINDOW_SECONDS + 2]
  ) {
    await assert.rejects(at(seconds), /clock/);
  }
});

Deno.test("verify() refuses software that speaks an older protocol, and says what to update", async () => {
  // The version is signed: a site with older software signs its own number.
  const old = signRequest(site, "GET", "/v1/letters", body);
  const found = HEADERS.protocol;
  assert.equal(old.get(found), String(PROTOCOL.current));
  const told = checker({
    publicKeyOf: () => Promise.resolve(site.publicKey),
    once: () => Promise.resolve(true),
  });
  for (
    const [version, remedy] of [[1, /update FedKIM at the site/], [
      99,
      /update FedKIM at the aggregator/,
    ]] as const
  ) {
    const headers = signRequest(site, "GET", "/v1/letters", body, Date.now(), version);
    await assert.rejects(told.verify("GET", "/v1/letters", headers, body), remedy);
  }
});

Deno.test("an invite enrolls one key once, and survives its way as text", async () => {
  const dir = await Deno.makeTempDir();
  const book = await EnrollmentBook.open(dir);
  const invite = decodeInvite(encodeInvite(await book.invite("mercy", "https://fed.example.org")));
  const identity = generateIdentity("mercy");
  const key = toHex(identity.publicKey);
  const sign = (who: typeof identity, publicKey: string, secret = invite.secret) =>
    toHex(signLabelled(who, ENROLL_LABEL, new TextEncoder().encode(`mercy\n${secret}\n${publicKey}`)));
  await assert.rejects(
    book.enroll("mercy", "00".repeat(32), key, sign(identity, key, "00".repeat(32))),
    denied,
  );
  await assert.rejects(book.enroll("mercy", invite.secret, key, sign(generateIdentity("x"), key)), denied);
  await assert.rejects(book.enroll("../mercy", invite.secret, key, sign(identity, key)), denied);
  await assert.rejects(book.invite("../mercy", "https://fed.example.org"), { code: "ConfigError" });
  await book.enroll("mercy", invite.secret, key, sign(identity, key));
  await book.enroll("mercy", invite.secret, key, sign(identity, key));
  const thief = generateIdentity("mercy");
  const stolen = toHex(thief.publicKey);
  await assert.rejects(book.enroll("mercy", invite.secret, stolen, sign(thief, stolen)), denied);
  await book.close();
  const reopened = await EnrollmentBook.open(dir);
  assert.deepEqual(await reopened.member("mercy"), {
    publicKey: new Uint8Array(identity.publicKey),
    role: "site",
    revoked: false,
  });
  await assert.rejects(reopened.invite("mercy", "https://fed.example.org"), denied);
  assert.throws(() => decodeInvite("fk1.garbage"), denied);
  await reopened.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("an invite expires, a key is replaced by its owner only, and a revoked name stays taken", async () => {
  const dir = await Deno.makeTempDir();
  const book = await EnrollmentBook.open(dir);
  const enroll = async (name: string, who = generateIdentity(name)) => {
    const { secret } = await book.invite(name, "https://fed.example.org", "auditor");
    const key = toHex(who.publicKey);
    const proof = signLabelled(who, ENROLL_LABEL, new TextEncoder().encode(`${name}\n${secret}\n${key}`));
    return { who, finish: () => book.enroll(name, secret, key, toHex(proof)) };
  };
  const late = await enroll("late");
  const entry = JSON.parse(new TextDecoder().decode(await book.store.get("invite", "late")));
  assert.ok(Math.abs(entry.expiresAt - Date.now() - INVITE_MS) < 60_000);
  await book.store.put(
    "invite",
    "late",
    new TextEncoder().encode(JSON.stringify({ ...entry, expiresAt: 1 })),
  );
  await assert.rejects(late.finish(), denied);

  await (await enroll("eve")).finish();
  const next = generateIdentity("eve");
  const key = toHex(next.publicKey);
  const proof = (who: typeof next) =>
    toHex(signLabelled(who, ROTATE_LABEL, new TextEncoder().encode(`eve\n${key}`)));
  await assert.rejects(book.rotate("eve", key, proof(generateIdentity("eve"))), denied);
  await book.rotate("eve", key, proof(next));
  const member = await book.member("eve");
  assert.deepEqual([toHex(member!.publicKey), member!.role, member!.revoked], [key, "auditor", false]);

  await book.revoke("eve");
  assert.equal((await book.member("eve"))?.revoked, true);
  await assert.rejects(book.rotate("eve", key, proof(next)), denied);
  await assert.rejects(book.invite("eve", "https://fed.example.org"), denied);
  await assert.rejects(book.revoke("nobody"), denied);
  assert.deepEqual(await book.members(), ["eve"]);
  await book.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("the book never lowers a ledger head, also when many are saved at once", async () => {
  const dir = await Deno.makeTempDir();
  const book = await EnrollmentBook.open(dir);
  await Promise.all(
    [3, 9, 5, 1].map((sequence) => book.recordHead("mercy", { sequence, hash: `h${sequence}` })),
  );
  await book.close();
  const reopened = await EnrollmentBook.open(dir);
  assert.deepEqual(await reopened.headOf("mercy"), { sequence: 9, hash: "h9" });
  await reopened.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a countersigned head is bound to its site, position and signer", () => {
  const head = countersignHead("a", { sequence: 4, hash: "ff" }, aggregator);
  checkCountersignedHead(head, "a", aggregator.publicKey);
  assert.throws(() => checkCountersignedHead({ ...head, sequence: 3 }, "a", aggregator.publicKey), denied);
  assert.throws(() => checkCountersignedHead(head, "b", aggregator.publicKey), denied);
  assert.throws(() => checkCountersignedHead(head, "a", other.publicKey), denied);
});

Deno.test("a policy counts only with its own site's signature", async () => {
  const dir = await Deno.makeTempDir();
  const policy = openPolicy(site.id, 2);
  await writePolicy(`${dir}/policy.json`, policy, site);
  assert.deepEqual(await readPolicy(`${dir}/policy.json`, site), policy);
  await assert.rejects(readPolicy(`${dir}/policy.json`, other), { code: "PolicyRefused" });
  const raised = (await Deno.readTextFile(`${dir}/policy.json`)).replace(
    `"maxEpsilon": 2`,
    `"maxEpsilon": 99`,
  );
  await Deno.writeTextFile(`${dir}/policy.json`, raised);
  await assert.rejects(readPolicy(`${dir}/policy.json`, site), /not signed by this site/);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a step is begun once, also after a restart", async () => {
  const dir = await Deno.makeTempDir();
  const progress = await SiteProgress.open(dir);
  await progress.begin("plan", 1);
  await progress.begin("plan", 3);
  const again = await SiteProgress.open(dir);
  await assert.rejects(again.begin("plan", 3), { code: "UnexpectedMessage" });
  await assert.rejects(again.begin("plan", 2), { code: "UnexpectedMessage" });
  await again.begin("plan", 4);
  await Deno.writeTextFile(`${dir}/progress.json`, "{");
  await assert.rejects(SiteProgress.open(dir), { code: "LedgerError" });
  await Deno.remove(dir, { recursive: true });
});
