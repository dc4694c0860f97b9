import assert from "node:assert/strict";
import { AggregatorClient } from "../../src/federation/aggregator_client.ts";
import { generateIdentity } from "../../src/secure_agg/mod.ts";

const signal = new AbortController().signal;

/** Runs a body against a server that treats each connection by the next of these scripts; what was asked is kept. */
async function withScripts(
  scripts: readonly ((connection: Deno.TcpConn) => Promise<void>)[],
  body: (url: string, asked: readonly string[]) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const asked: string[] = [];
  const open: Deno.TcpConn[] = [];
  const serving = (async () => {
    for (const script of scripts) {
      const connection = await listener.accept();
      open.push(connection);
      const buffer = new Uint8Array(65_536);
      const read = await connection.read(buffer);
      asked.push(new TextDecoder().decode(buffer.subarray(0, read ?? 0)));
      await script(connection);
    }
  })();
  try {
    await body(`http://127.0.0.1:${listener.addr.port}`, asked);
    await serving;
  } finally {
    for (const connection of open) connection.close();
    listener.close();
  }
}

const says = (text: string) => async (connection: Deno.TcpConn) => {
  await connection.write(new TextEncoder().encode(text));
  await connection.closeWrite();
};
const answer = (status: string, body: string, length = body.length) =>
  says(`HTTP/1.1 ${status}\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${body}`);
const client = (url: string, answerMs?: number) =>
  new AggregatorClient(url, generateIdentity("a"), 20_000, signal, undefined, answerMs);
const nonceOf = (request: string) => /nonce="([^"]+)"/.exec(request)?.[1];

Deno.test("a request that was taken for a replay is sent anew with a nonce of its own", async () => {
  const refusal = JSON.stringify({ code: "AuthenticationError", detail: "seen before", reason: "replayed" });
  await withScripts([answer("401 Unauthorized", refusal), answer("200 OK", "{}")], async (url, asked) => {
    await client(url).postJson("/v1/join", {});
    const [first, second] = asked.map(nonceOf);
    assert.ok(first !== undefined && second !== undefined && first !== second);
  });
});

Deno.test("any other refusal of a signature is final", async () => {
  const refusal = JSON.stringify({ code: "AuthenticationError", detail: "not enrolled" });
  await withScripts([answer("401 Unauthorized", refusal)], async (url, asked) => {
    await assert.rejects(client(url).postJson("/v1/join", {}), { code: "AuthenticationError" });
    assert.equal(asked.length, 1);
  });
});

Deno.test("a refusal that breaks off in the middle was no answer", async () => {
  const refusal = JSON.stringify({ code: "UnexpectedMessage", detail: "not in progress" });
  const half = answer("409 Conflict", refusal.slice(0, 20), refusal.length);
  await withScripts([half, answer("409 Conflict", refusal)], async (url) => {
    await assert.rejects(client(url).postJson("/v1/join", {}), { code: "UnexpectedMessage" });
  });
});

Deno.test("a line that falls silent before an answer or in the middle of one is given up, and asked again", async () => {
  const silent = () => Promise.resolve();
  const half = async (connection: Deno.TcpConn) => {
    await connection.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"));
  };
  await withScripts([silent, half, answer("200 OK", "{}")], async (url, asked) => {
    assert.deepEqual(await client(url, 150).postJson("/v1/join", {}), {});
    assert.equal(asked.length, 3);
  });
});
