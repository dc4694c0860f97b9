import assert from "node:assert/strict";
import {
  type ChunkStage,
  type ClientMessage,
  decodeMessage,
  encodeMessage,
  memoryStage,
  SecAggServer,
  type SecAggServerOptions,
  type ServerEvent,
} from "../../src/secure_agg/mod.ts";
import { type Cohort, cohort, makeClient, plainSum, runRound } from "./_harness.ts";

/** Brings a server to the collection phase and gives everybody's upload messages. */
async function collecting(
  c: Cohort,
  options: Partial<SecAggServerOptions> = {},
): Promise<{ server: SecAggServer; uploads: Uint8Array[][] }> {
  const server = new SecAggServer({ config: c.config, enrolled: c.enrolled, ...options });
  const clients = c.ids.map((_, i) => makeClient(c, i));
  clients.forEach((client, i) => server.receive(c.ids[i].id, client.begin()));
  await server.close();
  for (const [i, client] of clients.entries()) {
    for (const out of (await client.receive(server.outboundFor(c.ids[i].id)!)).outbound) {
      server.receive(c.ids[i].id, out);
    }
  }
  await server.close();
  const uploads: Uint8Array[][] = [];
  for (const [i, client] of clients.entries()) {
    uploads.push([...(await client.receive(server.outboundFor(c.ids[i].id)!)).outbound]);
  }
  return { server, uploads };
}

/** A stage that counts what it holds. */
function countingStage(): { stage: ChunkStage; held: () => number } {
  const inner = memoryStage();
  const held = new Map<number, number>();
  return {
    held: () => [...held.values()].reduce((a, b) => a + b, 0),
    stage: {
      put: (index, chunk, payload) => {
        inner.put(index, chunk, payload);
        held.set(index, (held.get(index) ?? 0) + 1);
      },
      get: inner.get,
      drop: (index) => {
        inner.drop(index);
        held.delete(index);
      },
    },
  };
}

Deno.test("replaying the recorded events gives the same server again, from every point of the round", async () => {
  const c = cohort(5);
  const events: ServerEvent[] = [];
  const { server } = await runRound(c, {
    drops: new Map([[4, "masked_input"]]),
    server: {
      record: (event) =>
        events.push(event.kind === "message" ? { ...event, bytes: event.bytes.slice() } : event),
    },
  });
  const options = { config: c.config, enrolled: c.enrolled };
  let previous = "";
  for (let length = 0; length <= events.length; length++) {
    const again = await SecAggServer.replay(options, events.slice(0, length));
    if (again.phase !== previous && again.phase !== "finished") {
      // The messages that depend on U1 and U2 are the same bytes after the crash.
      const twin = await SecAggServer.replay(options, events.slice(0, length));
      for (const { id } of c.ids) assert.deepEqual(again.outboundFor(id), twin.outboundFor(id));
    }
    previous = again.phase;
  }
  const again = await SecAggServer.replay(options, events);
  assert.deepEqual(again.result, server.result);
  assert.deepEqual(again.result!.sum, plainSum(c, [0, 1, 2, 3]));
});

Deno.test("every event is recorded before it takes effect, and a failed record leaves the server as it was", async () => {
  const c = cohort(4);
  let full = false;
  const server = new SecAggServer({
    config: c.config,
    enrolled: c.enrolled,
    record: () => {
      if (full) throw new Error("disk full");
    },
  });
  const adverts = c.ids.map((_, i) => makeClient(c, i).begin());
  server.receive("s000", adverts[0]);
  full = true;
  assert.throws(() => server.receive("s001", adverts[1]), /disk full/);
  assert.deepEqual(server.answered, ["s000"]);
  await assert.rejects(server.close(), /disk full/);
  assert.equal(server.phase, "advertise_keys");
  full = false;
  for (const i of [1, 2, 3]) assert.equal(server.receive(c.ids[i].id, adverts[i]).kind, "accepted");
  await server.close();
  assert.equal(server.phase, "share_keys");
});

Deno.test("a replayed server records again only what is new", async () => {
  const c = cohort(4);
  const events: ServerEvent[] = [];
  const advert = makeClient(c, 0).begin();
  const server = await SecAggServer.replay(
    { config: c.config, enrolled: c.enrolled, record: (event) => events.push(event) },
    [{ kind: "message", clientId: "s000", bytes: advert }],
  );
  assert.equal(events.length, 0);
  assert.equal(server.receive("s000", advert).kind, "duplicate");
  assert.equal(server.receive("s001", makeClient(c, 1).begin()).kind, "accepted");
  assert.equal(events.length, 1);
});

Deno.test("chunks of an upload that is not committed never reach the sum, and leave the stage", async () => {
  const c = cohort(5, { nMin: 4 });
  const { stage, held } = countingStage();
  const { server } = await runRound(c, { drops: new Map([[1, "mid_upload"]]), server: { stage } });
  assert.deepEqual(server.result!.sum, plainSum(c, [0, 2, 3, 4]));
  assert.equal(held(), 0);
});

Deno.test("committed chunks leave the stage at once: it holds only uploads in flight", async () => {
  const c = cohort(5);
  const { stage, held } = countingStage();
  const { server, uploads } = await collecting(c, { stage });
  for (const [i, messages] of uploads.entries()) {
    for (const [k, message] of messages.entries()) {
      assert.equal(server.receive(c.ids[i].id, message).kind, "accepted");
      assert.equal(held(), k === messages.length - 1 ? 0 : k + 1);
    }
  }
});

Deno.test("uploads beyond maxStagedVectors are answered busy until a place is free", async () => {
  const c = cohort(4);
  const { server, uploads } = await collecting(c, { maxStagedVectors: 1 });
  assert.equal(server.receive("s000", uploads[0][0]).kind, "accepted");
  assert.equal(server.receive("s001", uploads[1][0]).kind, "busy");
  assert.equal(server.receive("s000", uploads[0][1]).kind, "accepted");
  // Site 0 stalls: its place is given to site 1, its hashes stay.
  server.releaseUpload("s000");
  for (const message of uploads[1]) assert.equal(server.receive("s001", message).kind, "accepted");
  // A site that has finished asks for no place: it can push nobody out by saying again what is known.
  assert.equal(server.receive("s002", uploads[2][0]).kind, "accepted");
  assert.equal(server.receive("s001", uploads[1][0]).kind, "duplicate");
  server.releaseUpload("s002");
  const chunk = decodeMessage(uploads[0][0]) as Extract<ClientMessage, { type: "masked_chunk" }>;
  const other = encodeMessage({ ...chunk, payload: chunk.payload.with(0, chunk.payload[0] ^ 1) });
  const receipt = server.receive("s000", other);
  assert.ok(receipt.kind === "refused" && receipt.error.reason === "conflicting_message");
  assert.equal(server.receive("s000", uploads[0].at(-1)!).kind, "refused", "incomplete");
  for (const i of [0, 2, 3]) {
    for (const message of uploads[i]) assert.equal(server.receive(c.ids[i].id, message).kind, "accepted");
  }
  assert.ok(server.complete);
});

Deno.test("a released upload is an event: a replayed server has given its place away too", async () => {
  const c = cohort(4);
  const events: ServerEvent[] = [];
  const options = { maxStagedVectors: 1, record: (event: ServerEvent) => void events.push(event) };
  const { server, uploads } = await collecting(c, options);
  assert.equal(server.receive("s000", uploads[0][0]).kind, "accepted");
  server.releaseUpload("s000");
  assert.equal(server.receive("s001", uploads[1][0]).kind, "accepted");
  const before = events.length;
  server.releaseUpload("s000");
  server.releaseUpload("s003");
  assert.equal(events.length, before, "nothing was staged, so nothing happened");
  assert.deepEqual(events.filter(({ kind }) => kind === "release"), [{ kind: "release", clientId: "s000" }]);

  const { stage, held } = countingStage();
  const again = await SecAggServer.replay(
    { config: c.config, enrolled: c.enrolled, stage, maxStagedVectors: 1 },
    events,
  );
  assert.equal(held(), 1);
  assert.equal(again.receive("s001", uploads[1][1]).kind, "accepted");
  assert.equal(again.receive("s000", uploads[0][0]).kind, "busy");
});

Deno.test("expected, answered and complete follow the phase; a site that gave up is not waited for", async () => {
  const c = cohort(5, { nMin: 4 });
  const server = new SecAggServer({ config: c.config, enrolled: c.enrolled });
  assert.deepEqual(server.expected, c.ids.map(({ id }) => id));
  assert.deepEqual(server.answered, []);
  const clients = c.ids.map((_, i) => makeClient(c, i));
  for (const i of [4, 3, 2, 1]) server.receive(c.ids[i].id, clients[i].begin());
  assert.deepEqual(server.answered, ["s001", "s002", "s003", "s004"]);
  assert.ok(!server.complete);
  server.receive("s000", clients[0].begin());
  assert.ok(server.complete);
  await server.close();
  assert.ok(!server.complete);
  server.receive("s000", encodeMessage({ type: "abort", code: "ProtocolAbort", reason: "local_failure" }));
  assert.deepEqual(server.expected, ["s001", "s002", "s003", "s004"]);
  for (const i of [1, 2, 3, 4]) {
    for (const out of (await clients[i].receive(server.outboundFor(c.ids[i].id)!)).outbound) {
      server.receive(c.ids[i].id, out);
    }
  }
  assert.ok(server.complete);
});

Deno.test("nMax adverts complete the first phase even if more sites are enrolled", () => {
  const c = cohort(6, { nMax: 4, threshold: 3, nMin: 3 });
  const server = new SecAggServer({ config: c.config, enrolled: c.enrolled });
  for (const i of [0, 2, 4]) server.receive(c.ids[i].id, makeClient(c, i).begin());
  assert.ok(!server.complete);
  server.receive(c.ids[5].id, makeClient(c, 5).begin());
  assert.ok(server.complete);
});

Deno.test("the server holds no unmasked vector: what it adds up differs from the plain sum until the very end", async () => {
  const c = cohort(4);
  const { uploads } = await collecting(c);
  const plain = new Set(c.ids.flatMap((_, i) => [...c.input(i)]));
  let equal = 0;
  for (const messages of uploads) {
    for (const bytes of messages) {
      const message = decodeMessage(bytes);
      if (message.type !== "masked_chunk") continue;
      const view = new DataView(message.payload.buffer, message.payload.byteOffset);
      for (let k = 0; k < message.payload.length / 4; k++) {
        equal += plain.has(view.getUint32(4 * k, true)) ? 1 : 0;
      }
    }
  }
  // 148 masked words against at most 148 plain ones in 2^32: a chance hit has probability below 6e-6; seeds are fixed.
  assert.equal(equal, 0);
});
