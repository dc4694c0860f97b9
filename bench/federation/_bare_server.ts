// A bare Hono server that takes bodies and does nothing with them.
import { Hono } from "hono";
import { openServer } from "../../src/federation/http_server.ts";
import { say } from "./_processes.ts";

const app = new Hono();
app.post("/upload", async (c) => {
  await c.req.arrayBuffer();
  return c.body(null, 204);
});
const server = await openServer({ hostname: "127.0.0.1", port: 0, handler: (request) => app.fetch(request) });
say("listening", { url: server.url });
