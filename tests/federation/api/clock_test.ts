import assert from "node:assert/strict";
import { AggregatorClient } from "../../../src/federation/aggregator_client.ts";
import { REQUEST_WINDOW_SECONDS, signRequest } from "../../../src/federation/request_auth.ts";
import { withService } from "./_service.ts";

const WINDOW_MS = REQUEST_WINDOW_SECONDS * 1000;

Deno.test("a site whose clock is wrong is told so and what to do, changes nothing, and is served once it is set", async () => {
  await withService(async ({ app, book, desk, site }) => {
    const body = JSON.stringify({ head: { sequence: 0, hash: "00".repeat(32) } });
    const bytes = new TextEncoder().encode(body);
    const join = (skewMs: number) => {
      const headers = signRequest(site, "POST", "/v1/join", bytes, Date.now() + skewMs);
      headers.set("content-type", "application/json");
      headers.set("content-length", String(bytes.length));
      return app.request("/v1/join", { method: "POST", headers, body });
    };
    const before = await book.audit.newest();
    for (const skewMs of [-WINDOW_MS - 2000, WINDOW_MS + 2000, -365 * 86_400_000, 365 * 86_400_000]) {
      const refused = await join(skewMs);
      assert.equal(refused.status, 401);
      assert.equal(refused.headers.get("content-type"), "application/problem+json");
      const problem = await refused.json();
      assert.equal(problem.code, "AuthenticationError");
      assert.match(problem.detail, /set the site's clock \(NTP\); the clocks may differ by five minutes/);
    }
    assert.equal(await book.audit.newest(), before);
    assert.equal(await book.headOf("a"), undefined);
    assert.equal(desk.stateOf("a"), "enrolled");
    assert.equal((await join(-WINDOW_MS + 60_000)).status, 200);
    assert.equal((await join(WINDOW_MS - 60_000)).status, 200);
    assert.equal(desk.stateOf("a"), "joined");
  });
});

Deno.test("a worker at a machine with a wrong clock ends with that error, and does not call again and again", async () => {
  await withService(async ({ app, site }) => {
    const { now } = Date;
    let calls = 0;
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request, info) => {
        calls++;
        // Only the site's clock is wrong: the aggregator's is asked while it stands right.
        const skewed = Date.now;
        Date.now = now;
        try {
          return await app.fetch(request, info as never);
        } finally {
          Date.now = skewed;
        }
      },
    );
    const client = new AggregatorClient(
      `http://127.0.0.1:${server.addr.port}`,
      site,
      60_000,
      new AbortController().signal,
    );
    Date.now = () => now() + 2 * WINDOW_MS;
    try {
      const joining = client.postJson("/v1/join", { head: { sequence: 0, hash: "00".repeat(32) } });
      await assert.rejects(joining, { code: "AuthenticationError", message: /NTP/ });
      assert.equal(calls, 1);
    } finally {
      Date.now = now;
      await server.shutdown();
    }
  });
});
