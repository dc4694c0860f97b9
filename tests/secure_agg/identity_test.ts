import assert from "node:assert/strict";
import {
  enrolledHash,
  generateIdentity,
  identityFromPrivateKey,
  isClientId,
  nobleProvider,
  signLabelled,
  verifyLabelled,
} from "../../src/secure_agg/mod.ts";
import { identities } from "./_harness.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

Deno.test("verifyLabelled() accepts the signature for its label, bytes and key only", () => {
  const [a, b] = identities(2);
  const signature = signLabelled(a, "plan", text("round 7"));
  assert.ok(verifyLabelled(a.publicKey, "plan", text("round 7"), signature));
  assert.ok(verifyLabelled(a.publicKey, "plan", text("round 7"), signature, nobleProvider));
  assert.ok(!verifyLabelled(b.publicKey, "plan", text("round 7"), signature));
  assert.ok(!verifyLabelled(a.publicKey, "policy", text("round 7"), signature));
  assert.ok(!verifyLabelled(a.publicKey, "plan", text("round 8"), signature));
  // A label cannot swallow the start of the bytes.
  assert.ok(!verifyLabelled(a.publicKey, "planround", text(" 7"), signature));
  assert.ok(!verifyLabelled(a.publicKey, "plan", text("round 7"), signature.subarray(1)));
  assert.ok(!verifyLabelled(new Uint8Array(3), "plan", text("round 7"), signature));
});

Deno.test("an identity survives storing its private key", () => {
  const identity = generateIdentity("north");
  const again = identityFromPrivateKey("north", identity.privateKey.reveal());
  assert.deepEqual(again.publicKey, identity.publicKey);
  assert.deepEqual(signLabelled(again, "x", text("y")), signLabelled(identity, "x", text("y")));
  assert.throws(() => identityFromPrivateKey("north", new Uint8Array(31)), { code: "ConfigError" });
});

Deno.test("isClientId() takes letters, digits, dot, underscore and hyphen only", () => {
  for (const good of ["a", "site-1", "A.b_c-9", "x".repeat(64)]) assert.ok(isClientId(good));
  for (const bad of ["", "x".repeat(65), "a b", "a\n", "é", "a/b", "a:b"]) assert.ok(!isClientId(bad));
});

Deno.test("enrolledHash() depends on every id and key, not on the order", () => {
  const pairs = identities(3).map(({ id, publicKey }) => [id, publicKey] as const);
  const hash = enrolledHash(new Map(pairs));
  assert.deepEqual(enrolledHash(new Map(pairs.toReversed())), hash);
  assert.notDeepEqual(enrolledHash(new Map(pairs.slice(1))), hash);
  assert.notDeepEqual(enrolledHash(new Map([["z", pairs[0][1]], ...pairs.slice(1)])), hash);
  assert.notDeepEqual(enrolledHash(new Map([[pairs[0][0], pairs[1][1]], ...pairs.slice(1)])), hash);
});
