import assert from "node:assert/strict";
import { ENROLL_LABEL, EnrollmentBook } from "../../src/federation/enrollment_book.ts";
import { decodeInvite, encodeInvite } from "../../src/federation/invite.ts";
import { checkCountersignedHead, countersignHead } from "../../src/federation/ledger_head.ts";
import {
  HEADERS,
  REQUEST_WINDOW_MS,
  RequestVerifier,
  signRequest,
} from "../../src/federation/request_auth.ts";
import { readPolicy, writePolicy } from "../../src/federation/site_policy.ts";
import { SiteProgress } from "../../src/federation/site_state.ts";
import { toHex } from "../../src/formats/hex.ts";
import { generateIdentity, signLabelled } from "../../src/secure_agg/mod.ts";
import { aggregator, sites } from "./_plan.ts";

const [site, other] = sites;
const body = new TextEncoder().encode("hello");
const verifier = () =>
  new RequestVerifier((name) => sites.find((candidate) => candidate.id === name)?.publicKey);
const denied = { code: "AuthenticationError" };

Deno.test("verify() names the sender of a signed request, once", () => {
  const desk = verifier();
  const headers = signRequest(site, "POST", "/v1/join", body);
  assert.equal(desk.verify("POST", "/v1/join", headers, body), site.id);
  assert.throws(() => desk.verify("POST", "/v1/join", headers, body), /seen before/);
});

Deno.test("verify() refuses other paths, methods, bodies, senders, clocks and strangers", () => {
  const headers = signRequest(site, "POST", "/v1/join", body);
  const named = (name: string) =>
    new Headers([...headers, [HEADERS.site, name]].slice(0) as [string, string][]);
  assert.throws(() => verifier().verify("POST", "/v1/rounds/1/messages", headers, body), denied);
  assert.throws(() => verifier().verify("GET", "/v1/join", headers, body), denied);
  assert.throws(() => verifier().verify("POST", "/v1/join", headers, new Uint8Array(5)), denied);
  assert.throws(() => verifier().verify("POST", "/v1/join", named(other.id), body), denied);
  assert.throws(
    () => verifier().verify("POST", "/v1/join", headers, body, Date.now() + REQUEST_WINDOW_MS + 1000),
    denied,
  );
  const stranger = signRequest(generateIdentity("zz"), "POST", "/v1/join", body);
  assert.throws(() => verifier().verify("POST", "/v1/join", stranger, body), /not enrolled/);
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
  await book.enroll("mercy", invite.secret, key, sign(identity, key));
  await book.enroll("mercy", invite.secret, key, sign(identity, key));
  const thief = generateIdentity("mercy");
  const stolen = toHex(thief.publicKey);
  await assert.rejects(book.enroll("mercy", invite.secret, stolen, sign(thief, stolen)), denied);
  const reopened = await EnrollmentBook.open(dir);
  assert.deepEqual(reopened.publicKeyOf("mercy"), new Uint8Array(identity.publicKey));
  await assert.rejects(reopened.invite("mercy", "https://fed.example.org"), denied);
  assert.throws(() => decodeInvite("fk1.garbage"), denied);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("the book never lowers a ledger head, also when many are saved at once", async () => {
  const dir = await Deno.makeTempDir();
  const book = await EnrollmentBook.open(dir);
  await Promise.all(
    [3, 9, 5, 1].map((sequence) => book.recordHead("mercy", { sequence, hash: `h${sequence}` })),
  );
  assert.deepEqual((await EnrollmentBook.open(dir)).headOf("mercy"), { sequence: 9, hash: "h9" });
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
  const policy = {
    format: "fedkim-policy/1",
    site: site.id,
    maxEpsilon: 2,
    delta: 1e-5,
    neighboring: "add_or_remove_one",
    minimumSites: 3,
    colluders: 1,
    peers: "any",
    allowedTasks: "all",
  } as const;
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
