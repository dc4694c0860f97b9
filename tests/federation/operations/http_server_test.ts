import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

/** A service that shuts down while one connection has sent half a request and another waits for an answer. */
const PROGRAM = `
import { openServer } from "./src/federation/http_server.ts";
const asked = Promise.withResolvers();
const server = await openServer({
  hostname: "127.0.0.1",
  port: 0,
  handler: () => {
    asked.resolve(undefined);
    return new Promise(() => {});
  },
});
const { port } = new URL(server.url);
for (const text of ["GET / HT", "GET / HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n"]) {
  const connection = await Deno.connect({ port: Number(port) });
  await connection.write(new TextEncoder().encode(text));
}
await asked.promise;
await server.shutdown();
const refused = await fetch(server.url).then(() => "answered", () => "refused");
console.log(refused);
`;

Deno.test("shutdown ends although connections never do, and takes no new one", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", "--no-check", PROGRAM],
    cwd: fileURLToPath(new URL("../../..", import.meta.url)),
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  assert.equal(code, 0, decode(stderr));
  assert.equal(decode(stdout).trim(), "refused");
});
