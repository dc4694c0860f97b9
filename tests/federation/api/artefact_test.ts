import assert from "node:assert/strict";
import fc from "fast-check";
import { artefactResponse } from "../../../src/federation/api/artefact_response.ts";
import { RateLimiter } from "../../../src/federation/api/rate_limit.ts";
import { withService } from "./_service.ts";

const bytes = new Uint8Array(1000).map((_, i) => i * 7);
const hash = "ab".repeat(32);
const ask = (headers: Record<string, string>) => artefactResponse(bytes, hash, new Headers(headers));
const content = async (response: Response) => new Uint8Array(await response.arrayBuffer());

Deno.test("any two ranges that meet give the whole artefact", async () => {
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 999 }), async (cut) => {
    const first = ask({ range: `bytes=0-${cut - 1}` });
    const rest = ask({ range: `bytes=${cut}-` });
    assert.deepEqual([first.status, rest.status], [206, 206]);
    assert.equal(rest.headers.get("content-range"), `bytes ${cut}-999/1000`);
    const tail = ask({ range: `bytes=-${1000 - cut}` });
    const whole = new Uint8Array([...await content(first), ...await content(rest)]);
    assert.deepEqual(whole, bytes);
    assert.deepEqual(await content(tail), bytes.subarray(cut));
  }));
});

Deno.test("a large artefact leaves piece by piece, whole and in ranges, and says how long it is", async () => {
  const large = new Uint8Array(200_001).map((_, i) => i * 7 >> 3);
  for (const [range, start, end] of [[undefined, 0, 200_001], ["bytes=1-131072", 1, 131_073]] as const) {
    const response = artefactResponse(large, hash, new Headers(range === undefined ? {} : { range }));
    assert.equal(response.headers.get("content-length"), `${end - start}`);
    assert.deepEqual(await content(response), large.subarray(start, end));
  }
});

Deno.test("what the caller has is not sent again, and a range outside is refused", async () => {
  assert.equal(ask({ "if-none-match": `"x", "${hash}"` }).status, 304);
  assert.equal(ask({ "if-none-match": `"x"` }).status, 200);
  const outside = ask({ range: "bytes=1000-" });
  assert.equal(outside.status, 416);
  assert.equal(outside.headers.get("content-range"), "bytes */1000");
  assert.equal((await outside.json()).reason, "range");
  for (const range of ["bytes=-", "lines=1-2", "bytes=0-1,5-6", "bytes=5-4"]) {
    const response = ask({ range });
    assert.equal(response.status, 200);
    assert.deepEqual(await content(response), bytes);
  }
  assert.equal((await content(ask({ range: "bytes=0-9", "if-range": `"another"` }))).length, 1000);
});

Deno.test("an artefact is fetched by its hash, by members only", async () => {
  await withService(async ({ artefacts, send }) => {
    const path = `/v1/artefacts/${artefacts.put(bytes)}`;
    const whole = await send("GET", path);
    assert.deepEqual(await content(whole), bytes);
    assert.equal(whole.headers.get("etag"), `"${path.slice(-64)}"`);
    const part = await send("GET", path, { headers: { range: "bytes=10-19" } });
    assert.deepEqual(await content(part), bytes.subarray(10, 20));
    assert.equal((await send("GET", path, { signer: "nobody" })).status, 401);
    assert.equal((await send("GET", `/v1/artefacts/${hash}`)).status, 404);
    assert.equal((await send("GET", path, { headers: { range: "bytes=5000-" } })).status, 416);
  });
});

Deno.test("a rate limiter lets the burst and then the rate pass, for each caller by itself", () => {
  const limiter = new RateLimiter({ burst: 3, perSecond: 2 });
  for (const _ of [1, 2, 3]) assert.equal(limiter.take("a", 0), 0);
  assert.equal(limiter.take("a", 0), 1);
  assert.equal(limiter.take("b", 0), 0);
  assert.equal(limiter.take("a", 500), 0);
  assert.equal(limiter.take("a", 500), 1);
  let passed = 0;
  for (let ms = 500; ms < 10_500; ms += 10) passed += limiter.take("a", ms) === 0 ? 1 : 0;
  assert.ok(Math.abs(passed - 20) <= 1, `${passed} passed in ten seconds at two a second`);
});
