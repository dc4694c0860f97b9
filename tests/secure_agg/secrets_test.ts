import assert from "node:assert/strict";
import { inspect } from "node:util";
import {
  advertiseKeys,
  type ClientState,
  decodeMessage,
  generateIdentity,
  type Message,
  nativeProvider,
  roundConfigHash,
  SecAggServer,
  SecretBytes,
  wasmEngine,
} from "../../src/secure_agg/mod.ts";
import { stepClient } from "../../src/secure_agg/client_transition.ts";
import { cohort, makeClient, runRound, testRandom } from "./_harness.ts";

Deno.test("SecretBytes never shows its bytes, and cannot be read after it is wiped", () => {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => 200 + (i % 50));
  const secret = new SecretBytes(bytes);
  const shown = [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    Deno.inspect({ secret }),
    inspect({ secret }),
  ];
  for (const text of shown) {
    assert.match(text, /\[secret\]/);
    assert.doesNotMatch(text, /200|201|c8|c9/);
  }
  assert.equal(secret.length, 32);
  secret.wipe();
  assert.ok(secret.wiped);
  assert.ok(bytes.every((byte) => byte === 0));
  assert.throws(() => secret.reveal(), TypeError);
});

/** All secrets inside a value. */
function secretsOf(value: unknown, seen = new Set<unknown>()): SecretBytes[] {
  if (typeof value !== "object" || value === null || seen.has(value)) return [];
  seen.add(value);
  if (value instanceof SecretBytes) return [value];
  const children = value instanceof Map ? [...value.values()] : Object.values(value);
  return children.flatMap((child) => secretsOf(child, seen));
}

/** Every state of site 0 through an honest strict round up to `last`, with the secrets each one held. */
async function states(
  last: ClientState["kind"] = "done",
): Promise<{ state: ClientState; secrets: SecretBytes[]; copies: string[] }[]> {
  const c = cohort(4);
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
  const list: { state: ClientState; secrets: SecretBytes[]; copies: string[] }[] = [];
  const note = (state: ClientState): void => {
    const secrets = secretsOf(state).filter((secret) => secret !== c.ids[0].privateKey);
    list.push({ state, secrets, copies: secrets.map((secret) => secret.reveal().join(", ")) });
  };
  note(first.state);
  server.receive("s000", first.outbound);
  const others = c.ids.map((_, i) => makeClient(c, i)).slice(1);
  others.forEach((client, i) => server.receive(c.ids[i + 1].id, client.begin()));
  let state: ClientState = first.state;
  while (state.kind !== last) {
    await server.close();
    const message = decodeMessage(server.outboundFor("s000")!);
    const step = await stepClient(state, message, { input: () => c.input(0), engine: wasmEngine() });
    state = step.state;
    note(state);
    for (const out of step.outbound) server.receive("s000", out);
    for (const [i, client] of others.entries()) {
      for (const out of (await client.receive(server.outboundFor(c.ids[i + 1].id)!)).outbound) {
        server.receive(c.ids[i + 1].id, out);
      }
    }
  }
  return list;
}

Deno.test("no state of a client prints a secret, whatever way it is printed", async () => {
  for (const { state, copies } of await states()) {
    const options = { depth: 20, iterableLimit: 1e6, strAbbreviateSize: 1e6 };
    const shown = [
      Deno.inspect(state, options),
      inspect(state, { depth: 20, maxArrayLength: null }),
      JSON.stringify(state),
    ];
    for (const text of shown) {
      const numbers = text.replace(/\s+/g, " ");
      for (const copy of copies) {
        assert.ok(!numbers.includes(copy.slice(0, 40)), state.kind);
        assert.ok(!numbers.includes(copy.replaceAll(" ", "").slice(0, 40)), state.kind);
      }
    }
  }
});

Deno.test("secrets that a state does not need any more are wiped when it is left, and all of them at the end", async () => {
  const list = await states();
  assert.deepEqual(list.map(({ state }) => state.kind), [
    "awaiting_roster",
    "awaiting_shares",
    "awaiting_survivors",
    "awaiting_unmask",
    "done",
  ]);
  const all = new Set(list.flatMap(({ secrets }) => secrets));
  // Two X25519 secrets, b, two own shares, three envelope keys, and two shares of each of three others.
  assert.equal(all.size, 2 + 1 + 2 + 3 + 6);
  for (const secret of all) assert.ok(secret.wiped);
  assert.equal(list.at(-1)!.secrets.length, 0);
});

Deno.test("an abort or an illegal message in any state wipes every secret of that state", async () => {
  const effects = { input: () => assert.fail("no vector is asked for"), engine: wasmEngine() };
  const abort: Message = { type: "abort", code: "x", reason: "y" };
  const illegal: Message = {
    type: "sign_survivors",
    sid: new Uint8Array(32),
    index: 0,
    signature: new Uint8Array(64),
  };
  for (const message of [abort, illegal]) {
    for (
      const kind of ["awaiting_roster", "awaiting_shares", "awaiting_survivors", "awaiting_unmask"] as const
    ) {
      const { state, secrets } = (await states(kind)).at(-1)!;
      assert.equal(state.kind, kind);
      const open = secrets.filter((secret) => !secret.wiped);
      assert.ok(open.length >= 2);
      assert.equal((await stepClient(state, message, effects)).state.kind, "aborted");
      for (const secret of open) assert.ok(secret.wiped, `${kind} ${message.type}`);
    }
  }
});

Deno.test("no error of a refused round carries bytes of a secret or of a vector", async () => {
  const c = cohort(4);
  const drawn: string[] = [];
  const recording = (i: number) => {
    const random = testRandom(`client ${i}`);
    return (length: number): Uint8Array => {
      const bytes = random(length);
      drawn.push([...bytes.subarray(0, 16)].join());
      return bytes;
    };
  };
  const { steps } = await runRound(c, {
    client: (i) => ({ random: recording(i) }),
    toClient: (bytes) => {
      const broken = bytes.slice();
      broken[broken.length - 1] ^= 1;
      return broken;
    },
  });
  for (const step of steps) {
    assert.ok(step?.kind === "abort");
    const text = `${step.error} ${JSON.stringify(step.error)} ${
      Deno.inspect(step.error, { depth: 9, iterableLimit: 1e6 })
    }`;
    for (const secret of drawn) assert.ok(!text.replace(/\s+/g, "").includes(secret));
  }
});

Deno.test("generateIdentity() refuses illegal names and broken randomness, and prints no key", () => {
  for (const id of ["", "a b", "ä", "x".repeat(65), "a/b"]) {
    assert.throws(() => generateIdentity(id), { code: "ConfigError" });
  }
  assert.throws(() => generateIdentity("a", (length) => new Uint8Array(length)), {
    reason: "bad_randomness",
  });
  const identity = generateIdentity("a");
  assert.match(Deno.inspect(identity), /\[secret\]/);
  assert.notDeepEqual(generateIdentity("a").publicKey, identity.publicKey);
});
