import assert from "node:assert/strict";
import fc from "fast-check";
import { logLine } from "../../../cli/log.ts";

const line = (event: Parameters<typeof logLine>[0]) => JSON.parse(logLine(event, new Date(0)));

Deno.test("a log line is one line of JSON with time, level and event", () => {
  assert.deepEqual(line({ event: "listening", url: "http://127.0.0.1:7730" }), {
    time: "1970-01-01T00:00:00.000Z",
    level: "info",
    event: "listening",
    url: "http://127.0.0.1:7730",
  });
  assert.equal(line({ event: "aborted", round: 3, reason: "x" }).level, "warn");
  assert.equal(line({ event: "stopped", level: "error" }).level, "error");
  fc.assert(fc.property(fc.string(), fc.jsonValue(), (event, value) => {
    assert.ok(!logLine({ event, value }).includes("\n"));
  }));
});

Deno.test("a secret is logged neither under a telling name nor inside a text, at any depth", () => {
  const canary = "k4n4ry0secret";
  const nested = (value: unknown, depth: number): unknown =>
    depth === 0 ? value : { a: [nested(value, depth - 1)] };
  fc.assert(fc.property(
    fc.constantFrom(
      "secret",
      "privateKey",
      "password",
      "accessToken",
      "invite",
      "Authorization",
      "seed",
      "records",
    ),
    fc.nat(4),
    (name, depth) => {
      assert.ok(!logLine({ event: "x", value: nested({ [name]: canary }, depth) }).includes(canary));
    },
  ));
  const texts = [
    `https://site:${canary}@proxy.example:3128/`,
    `fk1.${canary}`,
    `-----BEGIN PRIVATE KEY-----\n${canary}\n-----END PRIVATE KEY-----`,
    `-----BEGIN EC PRIVATE KEY-----\n${canary}`,
  ];
  for (const text of texts) {
    assert.ok(!logLine({ event: "x", reason: `before ${text} after` }).includes(canary), text);
    assert.ok(!logLine({ event: "x", reason: new Error(text) }).includes(canary), text);
  }
});

Deno.test("numbers in bulk and bytes are never logged, a few counts are", () => {
  const many = Array.from({ length: 9 }, (_, i) => 31_415_926 + i);
  for (const value of [many, Float64Array.from(many), Uint8Array.from(many), new Float32Array(many).buffer]) {
    assert.equal(line({ event: "x", value }).value, "[redacted]");
  }
  assert.deepEqual(line({ event: "x", federated: { "encoder.token_map": 12 } }).federated, {
    "encoder.token_map": 12,
  });
  assert.deepEqual(line({ event: "x", value: [1, 2] }).value, [1, 2]);
  assert.ok(logLine({ event: "x", reason: "y".repeat(10_000) }).length < 1200);
});
