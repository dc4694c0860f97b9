import assert from "node:assert/strict";
import {
  advertiseKeys,
  type ClientState,
  decodeMessage,
  encodeMessage,
  type Message,
  nativeProvider,
  roundConfigHash,
  SecAggError,
  SecAggServer,
  wasmEngine,
} from "../../src/secure_agg/mod.ts";
import { stepClient } from "../../src/secure_agg/client_transition.ts";
import { cohort, makeClient, testRandom } from "./_harness.ts";

type Reached = Exclude<ClientState["kind"], "aborted" | "awaiting_input">;

/** The one message that is legal in a state, besides an abort. */
const CLIENT_EXPECTS: Readonly<Record<Reached, Message["type"] | undefined>> = {
  awaiting_roster: "roster",
  awaiting_shares: "deliver_shares",
  awaiting_survivors: "survivors",
  awaiting_unmask: "unmask_request",
  done: undefined,
};

interface Recording {
  /** State of site 0, driven by the pure functions. */
  readonly state: ClientState;
  readonly server: SecAggServer;
  /** One message of every type. */
  readonly seen: ReadonlyMap<Message["type"], Uint8Array>;
}

/** A strict round of four sites, halted where `stop` says. */
async function record(stop?: ClientState["kind"] | SecAggServer["phase"]): Promise<Recording> {
  const c = cohort(4);
  const abort = encodeMessage({ type: "abort", code: "x", reason: "y" });
  const seen = new Map<Message["type"], Uint8Array>([["abort", abort]]);
  const note = (bytes: Uint8Array): Uint8Array => {
    seen.set(decodeMessage(bytes).type, bytes);
    return bytes;
  };
  const { config, enrolled } = c;
  const server = new SecAggServer({ config, enrolled });
  const first = advertiseKeys({
    config,
    configHash: roundConfigHash(config),
    identity: c.ids[0],
    enrolled,
    provider: nativeProvider,
    random: testRandom("client 0"),
  });
  assert.ok(first.kind === "next");
  let state: ClientState = first.state;
  const halted = (): boolean => stop === server.phase || stop === state.kind || server.phase === "finished";
  if (halted()) return { state, server, seen };
  const others = [1, 2, 3].map((i) => makeClient(c, i));
  server.receive("s000", note(first.outbound));
  others.forEach((client, i) => server.receive(c.ids[i + 1].id, client.begin()));
  for (;;) {
    await server.close();
    if (halted()) return { state, server, seen };
    const message = decodeMessage(note(server.outboundFor("s000")!));
    const step = await stepClient(state, message, { input: () => c.input(0), engine: wasmEngine() });
    state = step.state;
    for (const out of step.outbound) server.receive("s000", note(out));
    if (halted()) return { state, server, seen };
    for (const [i, client] of others.entries()) {
      const next = await client.receive(server.outboundFor(c.ids[i + 1].id)!);
      for (const out of next.outbound) server.receive(c.ids[i + 1].id, out);
    }
  }
}

Deno.test("every (client state, message) pair but the legal ones gives UnexpectedMessage with found and expected", async () => {
  const { seen } = await record();
  assert.equal(seen.size, 11);
  const effects = { input: () => assert.fail("no vector is asked for"), engine: wasmEngine() };
  for (const [kind, expected] of Object.entries(CLIENT_EXPECTS) as [Reached, Message["type"] | undefined][]) {
    for (const [type, bytes] of seen) {
      if (type === expected || type === "abort") continue;
      const { state } = await record(kind);
      assert.equal(state.kind, kind);
      const after = (await stepClient(state, decodeMessage(bytes), effects)).state;
      assert.ok(after.kind === "aborted", `${kind} took ${type}`);
      assert.equal(after.error.code, "UnexpectedMessage");
      assert.equal(after.error.details.found, type);
      assert.match(after.error.details.needed!, expected === undefined ? /nothing/ : new RegExp(expected));
    }
  }
});

Deno.test("an abort of the server ends a client in every state; an aborted client takes nothing at all", async () => {
  const { seen } = await record();
  const effects = { input: () => assert.fail("no vector is asked for"), engine: wasmEngine() };
  for (const kind of Object.keys(CLIENT_EXPECTS) as Reached[]) {
    const { state } = await record(kind);
    const { state: after } = await stepClient(state, decodeMessage(seen.get("abort")!), effects);
    assert.ok(after.kind === "aborted" && after.error.reason === "server_aborted");
    for (const bytes of seen.values()) {
      const { state: again } = await stepClient(after, decodeMessage(bytes), effects);
      assert.ok(again.kind === "aborted" && again.error.code === "UnexpectedMessage");
    }
  }
});

Deno.test("every (server phase, message) pair but the legal ones is refused as UnexpectedMessage, and changes nothing", async () => {
  const { seen } = await record();
  const legal: Readonly<Record<Exclude<SecAggServer["phase"], "aborted">, readonly Message["type"][]>> = {
    advertise_keys: ["advertise_keys"],
    share_keys: ["share_keys"],
    masked_input: ["masked_chunk", "commit_vector"],
    sign_survivors: ["sign_survivors"],
    unmask: ["unmask"],
    finished: [],
  };
  for (const [phase, expected] of Object.entries(legal)) {
    const { server } = await record(phase as SecAggServer["phase"]);
    assert.equal(server.phase, phase);
    for (const [type, bytes] of seen) {
      if (expected.includes(type as Message["type"]) || (type === "abort" && phase !== "finished")) continue;
      const answered = server.answered;
      const receipt = server.receive("s999", bytes);
      assert.ok(receipt.kind === "refused", `${phase} took ${type}`);
      assert.equal(receipt.error.code, "UnexpectedMessage");
      assert.equal(receipt.error.details.found, type);
      assert.deepEqual(server.answered, answered);
      assert.equal(server.phase, phase);
    }
  }
});

Deno.test("an aborted server refuses every message and tells every site the reason", async () => {
  const { seen } = await record();
  const c = cohort(4);
  const server = new SecAggServer({ config: c.config, enrolled: c.enrolled });
  await server.close();
  assert.equal(server.phase, "aborted");
  for (const bytes of seen.values()) assert.equal(server.receive("s000", bytes).kind, "refused");
  const told = decodeMessage(server.outboundFor("s000")!);
  assert.ok(told.type === "abort" && told.reason === "roster_too_small");
  await assert.rejects(server.close(), SecAggError);
});

Deno.test("begin() works once, and receive() not before it", async () => {
  const client = makeClient(cohort(4), 0);
  await assert.rejects(client.receive(new Uint8Array(9)), SecAggError);
  client.begin();
  assert.throws(() => client.begin(), SecAggError);
});
