import assert from "node:assert/strict";
import {
  advertiseKeys,
  advertLeaf,
  type ClientAwaitingRoster,
  type CryptoProvider,
  decodeMessage,
  encodeMessage,
  type FrozenVectorStore,
  type MaskEngine,
  nativeProvider,
  type RandomBytes,
  type RosterMessage,
  roundConfigHash,
  SecAggServer,
  shareKeys,
  wasmEngine,
} from "../../src/secure_agg/mod.ts";
import { cohort, makeClient, plainSum, runRound, testRandom } from "./_harness.ts";

/** A provider that remembers every secret it hands out: mask keys, envelope keys, shared secrets, opened shares. */
function watched(): { provider: CryptoProvider; secrets: Uint8Array[] } {
  const secrets: Uint8Array[] = [];
  class Watched extends Uint8Array {
    override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
      const part = super.slice(start, end);
      secrets.push(part);
      return part;
    }
  }
  const keep = (bytes: Uint8Array): Uint8Array => {
    const seen = new Watched(bytes);
    secrets.push(seen);
    return seen;
  };
  const provider: CryptoProvider = {
    ...nativeProvider,
    hkdf: (...args) => keep(nativeProvider.hkdf(...args)),
    x25519: (secret) => {
      const agree = nativeProvider.x25519(secret);
      return (key) => {
        const shared = agree(key);
        return shared && keep(shared);
      };
    },
    open: (...args) => {
      const plain = nativeProvider.open(...args);
      return plain && keep(plain);
    },
  };
  return { provider, secrets };
}

const wiped = (secrets: readonly Uint8Array[]): boolean =>
  secrets.length > 10 && secrets.every((secret) => secret.every((byte) => byte === 0));

Deno.test("a vector that cannot be made, masked or stored leaves no secret behind", async () => {
  const c = cohort(5, { nMin: 4 });
  const fail = (): never => {
    throw new Error("failed");
  };
  const engine: MaskEngine = { name: "broken", apply: fail };
  const vectorStore: FrozenVectorStore = { save: fail, load: () => undefined };
  for (const options of [{ input: fail }, { engine }, { vectorStore }]) {
    const { provider, secrets } = watched();
    const { steps, server } = await runRound(c, { client: (i) => i === 0 ? { ...options, provider } : {} });
    assert.ok(steps[0]?.kind === "abort");
    assert.equal(steps[0].error.reason, "local_failure");
    assert.ok(wiped(secrets), Object.keys(options)[0]);
    assert.deepEqual(server.result!.sum, plainSum(c, [1, 2, 3, 4]));
  }
});

Deno.test("a share that cannot be opened wipes the shares and masks that were opened before it", async () => {
  const c = cohort(5);
  const { provider, secrets } = watched();
  const { steps } = await runRound(c, {
    client: (i) => i === 0 ? { provider } : {},
    toClient: (bytes, i, phase) =>
      i === 0 && phase === "masked_input" ? bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1) : bytes,
  });
  assert.ok(steps[0]?.kind === "abort");
  assert.equal(steps[0].error.reason, "bad_envelope");
  assert.ok(wiped(secrets));
});

Deno.test("a server whose mask engine fails gives the round up: a second close cannot unmask twice", async () => {
  const c = cohort(4);
  let calls = 0;
  const engine: MaskEngine = {
    name: "breaks once",
    apply: (words, jobs, first) => {
      void wasmEngine().apply(words.subarray(0, 16), jobs, first);
      if (calls++ === 0) throw new Error("a Worker died");
    },
  };
  const { server } = await runRound(c, { server: { engine }, client: () => ({ engine: wasmEngine() }) });
  assert.equal(server.phase, "aborted");
  assert.equal(server.error!.reason, "local_failure");
  assert.equal((server.error!.cause as Error).message, "a Worker died");
  await assert.rejects(() => server.close(), { code: "UnexpectedMessage" });
});

Deno.test("a site that gives up in the middle of its upload frees its place", async () => {
  const c = cohort(4, { nMin: 3 });
  const { server, clients } = await untilUpload(c, { maxStagedVectors: 1 });
  const [first, second] = await Promise.all([0, 1].map(async (i) => {
    const step = await clients[i].receive(server.outboundFor(c.ids[i].id)!);
    return [...step.outbound];
  }));
  assert.equal(server.receive("s000", first[0]).kind, "accepted");
  assert.equal(server.receive("s001", second[0]).kind, "busy");
  const abort = encodeMessage({ type: "abort", code: "ProtocolAbort", reason: "local_failure" });
  assert.equal(server.receive("s000", abort).kind, "accepted");
  assert.equal(server.receive("s001", second[0]).kind, "accepted");
});

/** A server and its clients at the start of the upload. */
async function untilUpload(c: ReturnType<typeof cohort>, options: { maxStagedVectors?: number } = {}) {
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
  return { server, clients };
}

Deno.test("two chunks for one place are both kept as evidence", async () => {
  const c = cohort(4);
  const { server, clients } = await untilUpload(c);
  const [chunk] = (await clients[0].receive(server.outboundFor("s000")!)).outbound;
  assert.equal(server.receive("s000", chunk).kind, "accepted");
  const other = chunk.with(chunk.length - 1, chunk.at(-1)! ^ 1);
  const receipt = server.receive("s000", other);
  assert.ok(receipt.kind === "refused");
  const sent = decodeMessage(chunk);
  assert.ok(sent.type === "masked_chunk");
  assert.deepEqual(receipt.error.evidence, [sent.payload, other]);
});

Deno.test("a site that is not enrolled cannot give up in the name of nobody", () => {
  const c = cohort(4);
  const server = new SecAggServer({ config: c.config, enrolled: c.enrolled });
  const abort = encodeMessage({ type: "abort", code: "ProtocolAbort", reason: "local_failure" });
  const receipt = server.receive("stranger", abort);
  assert.ok(receipt.kind === "refused");
  assert.equal(receipt.error.reason, "not_enrolled");
});

Deno.test("the vector is taken from its caller: what the caller writes later is never sent", async () => {
  const c = cohort(4);
  const whole = c.input(0).slice();
  const part = new Uint32Array(100).fill(3).subarray(10, 10 + c.config.dimension);
  const { steps, server } = await runRound(c, {
    client: (i) => i === 0 ? { input: () => whole } : i === 1 ? { input: () => part } : {},
  });
  assert.equal(whole.length, 0);
  assert.ok(part.every((value) => value === 3), "a part of a larger array is copied, not masked in place");
  assert.ok(steps[0]?.kind === "next");
  const expected = plainSum(c, [0, 2, 3]);
  expected.forEach((_, j) => expected[j] += 3);
  assert.deepEqual(server.result!.sum, expected);
});

Deno.test("a configuration that does not fit its bytes has no hash", () => {
  const { config } = cohort(4);
  assert.throws(() => roundConfigHash({ ...config, threshold: 65_536 + config.threshold }), RangeError);
  assert.throws(() => cohort(4, { taskId: "\ud800" }), { code: "ConfigError" });
});

Deno.test("an engine refuses a range that starts inside a block and a key of another length", () => {
  const words = new Uint32Array(32);
  const job = { key: new Uint8Array(32), negate: false };
  assert.throws(() => wasmEngine().apply(words, [job], 8), RangeError);
  assert.throws(() => wasmEngine().apply(words, [{ ...job, key: new Uint8Array(31) }], 0), RangeError);
  assert.ok(words.every((word) => word === 0));
});

/** The states of four sites that advertised, with a roster for the first of them. */
function advertised(
  first: { provider: CryptoProvider; random: RandomBytes },
): { state: ClientAwaitingRoster; roster: RosterMessage } {
  const c = cohort(4);
  const configHash = roundConfigHash(c.config);
  const states = c.ids.map((identity, i) => {
    const own = i === 0 ? first : { provider: nativeProvider, random: testRandom(`client ${i}`) };
    const step = advertiseKeys({ config: c.config, configHash, identity, enrolled: c.enrolled, ...own });
    assert.ok(step.kind === "next");
    return step.state;
  });
  const entries = states.map(({ advert }, i) =>
    i === 0
      ? { kind: "leaf" as const, leaf: advertLeaf(nativeProvider, advert) }
      : { kind: "advert" as const, advert }
  );
  return { state: states[0], roster: { type: "roster", configHash, entries } };
}

/** An agreement whose third key turns out to be of low order. */
function refusingThird(agree: ReturnType<CryptoProvider["x25519"]>): ReturnType<CryptoProvider["x25519"]> {
  let at = 0;
  return (key) => {
    const shared = agree(key);
    if (at++ !== 2) return shared;
    shared?.fill(0);
    return undefined;
  };
}

Deno.test("shareKeys() deals nothing when one neighbour's key is of low order, and wipes what it agreed on", () => {
  const { provider, secrets } = watched();
  let draws = 0;
  const random = testRandom("client 0");
  const { state, roster } = advertised({ provider, random: (length) => (draws++, random(length)) });
  const refusing: CryptoProvider = {
    ...provider,
    x25519: (secret) => refusingThird(provider.x25519(secret)),
  };
  const before = draws;
  const step = shareKeys({ ...state, context: { ...state.context, provider: refusing } }, roster);
  assert.ok(step.kind === "abort");
  assert.equal(step.error.reason, "bad_public_key");
  assert.equal(draws, before + 1, "b, and no coefficient");
  assert.ok(secrets.length > 2 && secrets.every((secret) => secret.every((byte) => byte === 0)));
});

Deno.test("receiveShares() that meets a mask key of low order wipes every agreement, mask and share", async () => {
  const { provider, secrets } = watched();
  let calls = 0;
  const refusing: CryptoProvider = {
    ...provider,
    x25519: (secret) => {
      const agree = provider.x25519(secret);
      return ++calls === 2 ? refusingThird(agree) : agree;
    },
  };
  const c = cohort(6, { nMin: 5 });
  const { steps } = await runRound(c, { client: (i) => i === 0 ? { provider: refusing } : {} });
  assert.ok(steps[0]?.kind === "abort");
  assert.equal(steps[0].error.reason, "bad_public_key");
  assert.ok(wiped(secrets));
});

Deno.test("shareKeys() refuses a source of randomness that repeats itself: b is revealed, the mask key is not", () => {
  const [first, stuck] = [testRandom("first")(32), testRandom("stuck")(32)];
  const draws = [first, stuck, stuck];
  const later = testRandom("later");
  const random = (length: number): Uint8Array => draws.shift()?.slice() ?? later(length);
  const { state, roster } = advertised({ provider: nativeProvider, random });
  const step = shareKeys(state, roster);
  assert.ok(step.kind === "abort");
  assert.equal(step.error.reason, "bad_randomness");
});
