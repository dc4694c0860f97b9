import assert from "node:assert/strict";
import { AggregatorClient } from "../../src/federation/aggregator_client.ts";
import { fromProblem, toProblem } from "../../src/federation/problem.ts";
import { HEADERS } from "../../src/federation/request_auth.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import { generateIdentity } from "../../src/secure_agg/mod.ts";

/** A server that answers each connection by the next of these bytes and closes it; an undefined one only closes. */
function answering(answers: (string | undefined)[]): { url: string; asked: () => number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let asked = 0;
  (async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(65_536));
      const answer = answers[asked++];
      if (answer !== undefined) await connection.write(new TextEncoder().encode(answer));
      connection.close();
      if (asked === answers.length) listener.close();
    }
  })();
  return {
    url: `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    asked: () => asked,
  };
}

const LETTER =
  `HTTP/1.1 200 OK\r\n${HEADERS.sequence}: 17\r\n${HEADERS.kind}: secagg\r\n${HEADERS.round}: 1\r\n` +
  `content-length: 6\r\nconnection: close\r\n\r\n`;

Deno.test("a poll that breaks off, before its answer or in the middle of it, is asked again and loses nothing", async () => {
  const { url, asked } = answering([undefined, `${LETTER}abc`, `${LETTER}abcdef`]);
  const client = new AggregatorClient(url, generateIdentity("a"), 5_000, new AbortController().signal);
  const letter = await client.nextLetter(16);
  assert.deepEqual([letter?.sequence, letter?.kind, letter?.round], [17, "secagg", 1]);
  assert.equal(new TextDecoder().decode(letter!.body), "abcdef");
  assert.equal(asked(), 3);
});

Deno.test("a message's answer brings the next letter, or none where the aggregator knows no such answer or has none yet", async () => {
  const json = '{"noted":true}';
  const old = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${json.length}\r\n` +
    `connection: close\r\n\r\n${json}`;
  const { url, asked } = answering([
    undefined,
    `${LETTER}abcdef`,
    old,
    "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
  ]);
  const client = new AggregatorClient(url, generateIdentity("a"), 5_000, new AbortController().signal);
  const send = () => client.postForLetter("/v1/rounds/1/messages?head=1", Uint8Array.of(1), 16);
  assert.equal((await send())?.sequence, 17);
  assert.equal(await send(), undefined);
  assert.equal(await send(), undefined);
  assert.equal(asked(), 4);
});

Deno.test("code and reason of a refusal reach the other side, and a reason that is no word of ours does not", () => {
  const sent = toProblem(
    new FedKimError("UnexpectedMessage", "The site has not joined.", { reason: "not_joined" }),
  );
  const { code, details } = fromProblem(JSON.parse(JSON.stringify(sent)), sent.status);
  assert.deepEqual([code, details.reason], ["UnexpectedMessage", "not_joined"]);
  assert.equal(fromProblem({ ...sent, reason: "\u001b[2J" }, 409).details.reason, undefined);
});
