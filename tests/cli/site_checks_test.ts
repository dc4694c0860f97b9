import assert from "node:assert/strict";
import { aggregatorSkew, askAggregator } from "../../cli/_site_checks.ts";

Deno.test("the health question follows no redirection: whoever answers cannot send this machine anywhere", async () => {
  let inside = 0;
  const quiet = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  await using inner = Deno.serve(quiet, () => {
    inside++;
    return Response.json({ ok: true });
  });
  const location = `http://127.0.0.1:${inner.addr.port}/admin`;
  await using outer = Deno.serve(quiet, () => new Response(null, { status: 307, headers: { location } }));
  const url = `http://127.0.0.1:${outer.addr.port}`;
  assert.equal((await askAggregator(url)).status, 307);
  await assert.rejects(aggregatorSkew(url), {
    code: "NetworkError",
    message: /answers 307; redirections are not followed/,
  });
  assert.equal(inside, 0);
});
