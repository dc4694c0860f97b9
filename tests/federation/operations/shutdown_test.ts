import assert from "node:assert/strict";
import { openServer } from "../../../src/federation/http_server.ts";
import { TestFederation } from "../../e2e/_federation.ts";

Deno.test("SIGTERM stops an aggregator that waits for sites: exit status 130 and one sentence", async () => {
  const federation = await TestFederation.create(await Deno.makeTempDir(), 1, 10_000);
  try {
    for (const path of ["healthz", "readyz"]) {
      const response = await fetch(`${federation.url}/${path}`);
      assert.equal(response.status, 200, path);
      await response.body?.cancel();
    }
    federation.aggregator.kill("SIGTERM");
    const { code, log } = await federation.finished();
    assert.equal(code, 130, log);
    assert.match(log.trimEnd().split("\n").at(-1)!, /^Interrupted: /);
  } finally {
    await federation.close();
  }
});

Deno.test("a server that shuts down lets a request in progress end, refuses new ones, and then hears nobody", async () => {
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const server = await openServer({
    hostname: "127.0.0.1",
    port: 0,
    handler: async () => {
      begun.resolve();
      await goOn.promise;
      return new Response("whole");
    },
  });
  const answer = fetch(server.url).then((response) => response.text());
  await begun.promise;
  const closed = server.shutdown();
  const refused = await fetch(server.url);
  assert.deepEqual([refused.status, (await refused.json()).code], [503, "NetworkError"]);
  goOn.resolve();
  assert.equal(await answer, "whole");
  await closed;
  await assert.rejects(fetch(server.url));
});
