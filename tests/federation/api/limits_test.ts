import assert from "node:assert/strict";
import { RateLimiter } from "../../../src/federation/api/rate_limit.ts";
import { pinAggregator } from "../../../src/federation/site_state.ts";
import { withService } from "./_service.ts";

Deno.test("a header that looks like a signature gets nobody around the limit of strangers", async () => {
  await withService(async ({ send }) => {
    const ask = () =>
      send("GET", "/v1/status", { signer: "nobody", address: "10.2.2.2", headers: { signature: "x" } });
    const answers = [];
    for (let i = 0; i < 260; i++) answers.push((await ask()).status);
    assert.ok(answers.includes(429));
    assert.equal(
      (await send("GET", "/readyz", { signer: "nobody", address: "10.2.2.2" })).status,
      200,
      "probes pass",
    );
  });
});

Deno.test("no byte of a body is read before the signature is checked, and a body must say its length", async () => {
  await withService(async ({ app }) => {
    let pulled = 0;
    const request = (headers: Record<string, string>) =>
      new Request("http://aggregator/v1/join", {
        method: "POST",
        headers,
        body: new ReadableStream({
          pull(controller) {
            pulled++;
            controller.enqueue(new Uint8Array(1000));
          },
        }, { highWaterMark: 0 }),
      });
    const ask = async (headers: Record<string, string>) =>
      (await app.fetch(request(headers), {} as never)).status;
    assert.equal(await ask({ "content-type": "application/json" }), 401);
    assert.equal(
      await ask({ "content-type": "application/json", signature: "fedkim=:AA==:", "signature-input": "x" }),
      401,
    );
    assert.equal(pulled, 0);
    const enroll = new Request("http://aggregator/v1/enroll", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1000)) }, {
        highWaterMark: 0,
      }),
    });
    assert.equal((await app.fetch(enroll, {} as never)).status, 411);
  });
});

Deno.test("a clock that goes back locks nobody out", () => {
  const limiter = new RateLimiter({ burst: 5, perSecond: 1 });
  assert.equal(limiter.take("a", 3_600_000), 0);
  for (let i = 0; i < 4; i++) assert.equal(limiter.take("a", 0), 0);
  assert.equal(limiter.take("a", 0), 1);
});

Deno.test("a state folder is never pinned to a second aggregator", async () => {
  const dir = await Deno.makeTempDir();
  const invite = (key: string) => ({
    format: "fedkim-invite/1",
    site: "a",
    url: "http://127.0.0.1:1",
    aggregatorPublicKey: key.repeat(64),
    secret: "0".repeat(64),
  } as const);
  await pinAggregator(dir, invite("a"));
  await pinAggregator(dir, invite("a"));
  await assert.rejects(pinAggregator(dir, invite("b")), { code: "ConfigError" });
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a protocol message that says it is something else than bytes is refused as such", async () => {
  await withService(async ({ send }) => {
    const answer = await send("POST", "/v1/rounds/1/messages", { body: "{}", type: "application/json" });
    assert.equal(answer.status, 415);
    assert.equal((await answer.json()).reason, "content_type");
  });
});
