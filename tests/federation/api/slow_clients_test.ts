import assert from "node:assert/strict";
import { Hono } from "hono";
import { readBody } from "../../../src/federation/api/body.ts";
import { openServer } from "../../../src/federation/http_server.ts";
import { toProblem } from "../../../src/federation/problem.ts";
import { withService } from "./_service.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test({
  name: "a body that drips is given up in its time, and the sender is told",
  // Deno's server waits for the rest of such a body until the other end closes the connection.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const app = new Hono();
    app.post("/", async (c) => c.text(`${(await readBody(c.req, 1000, 100)).length}`));
    app.onError((error, c) => c.json(toProblem(error), toProblem(error).status as 400));
    const server = await openServer({
      hostname: "127.0.0.1",
      port: 0,
      handler: (request) => app.fetch(request),
    });
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(server.url).port) });
    await connection.write(bytes("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc"));
    const buffer = new Uint8Array(65_536);
    const read = await connection.read(buffer);
    assert.match(new TextDecoder().decode(buffer.subarray(0, read!)), /^HTTP\/1\.1 408/);
    connection.close();
    await server.shutdown();
  },
});

Deno.test("two hundred connections that never finish a request keep nobody else waiting", async () => {
  await withService(async ({ app }) => {
    const handler = (request: Request, info: { remoteAddr?: { hostname?: string } }) =>
      app.fetch(request, info as never);
    const server = await openServer({ hostname: "127.0.0.1", port: 0, handler });
    const port = Number(new URL(server.url).port);
    const starts = [
      "",
      "POST",
      "POST /v1/join HTTP/1.1\r\nhost: x\r\n",
      "POST /v1/enroll HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{",
    ];
    const open = await Promise.all(Array.from({ length: 200 }, async (_, i) => {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port });
      await connection.write(bytes(starts[i % starts.length]));
      return connection;
    }));
    try {
      for (let i = 0; i < 20; i++) {
        const answer = await fetch(`${server.url}/v1/status`);
        assert.equal(answer.status, 200);
        await answer.body?.cancel();
      }
    } finally {
      for (const connection of open) connection.close();
      await server.shutdown();
    }
  });
});
