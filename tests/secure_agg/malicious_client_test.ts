import assert from "node:assert/strict";
import {
  type ClientMessage,
  decodeMessage,
  encodeMessage,
  type Identity,
  makeRoundConfig,
  nativeProvider,
  SecAggServer,
  signLabelled,
} from "../../src/secure_agg/mod.ts";
import { sharesStatement } from "../../src/secure_agg/client_share_keys.ts";
import { commitStatement, vectorRoot } from "../../src/secure_agg/masked_vector.ts";
import { advertStatement } from "../../src/secure_agg/session.ts";
import { unmaskStatement } from "../../src/secure_agg/client_unmask.ts";
import {
  type Cohort,
  cohort,
  makeClient,
  plainSum,
  type RoundOutcome,
  runRound,
  testRandom,
} from "./_harness.ts";

type Change = (message: ClientMessage) => (ClientMessage | Uint8Array)[];

/** Site 1 sends what `change` makes of its messages; the others are honest. */
function withLiar(c: Cohort, change: Change, liar = 1): Promise<RoundOutcome> {
  return runRound(c, {
    toServer: (bytes, i) => {
      if (i !== liar) return [bytes];
      return change(decodeMessage(bytes) as ClientMessage).map((out) =>
        out instanceof Uint8Array ? out : encodeMessage(out)
      );
    },
  });
}

/** The liar is refused for `reason`, and the round gives the sum of the others. */
async function refusedForIt(reason: string, change: Change, c = cohort(5, { nMin: 4 })): Promise<void> {
  const { server, refused } = await withLiar(c, change);
  assert.ok(refused.length > 0);
  assert.ok(refused.every(({ i }) => i === 1));
  assert.equal(refused[0].reason, reason);
  assert.deepEqual(server.result?.sum, plainSum(c, [0, 2, 3, 4]));
  assert.deepEqual(server.result?.survivors, ["s000", "s002", "s003", "s004"]);
}

/** Changes messages of one type, keeps the others. */
function only<T extends ClientMessage["type"]>(
  type: T,
  change: (message: Extract<ClientMessage, { type: T }>) => (ClientMessage | Uint8Array)[],
): Change {
  return (message) =>
    message.type === type ? change(message as Extract<ClientMessage, { type: T }>) : [message];
}

const liarOf = (c: Cohort): Identity => c.ids[1];

Deno.test("acceptAdvert() refuses an advert of another site, unsigned, stale or with bad or reused keys", async () => {
  const c = cohort(5, { nMin: 4 });
  const sign = (message: Extract<ClientMessage, { type: "advertise_keys" }>): ClientMessage => ({
    ...message,
    signature: signLabelled(liarOf(c), "advertise_keys", advertStatement(message)),
  });
  await refusedForIt("not_enrolled", only("advertise_keys", (m) => [{ ...m, clientId: "s002" }]));
  await refusedForIt("bad_signature", only("advertise_keys", (m) => [{ ...m, maskKey: m.encryptionKey }]));
  await refusedForIt(
    "wrong_config",
    only("advertise_keys", (m) => [{ ...m, configHash: new Uint8Array(32) }]),
  );
  await refusedForIt(
    "bad_public_key",
    only("advertise_keys", (m) => [sign({ ...m, maskKey: m.encryptionKey })]),
  );
  await refusedForIt(
    "bad_public_key",
    only("advertise_keys", (m) => [sign({ ...m, maskKey: new Uint8Array(32).fill(255) })]),
  );
  const first = decodeMessage(makeClient(c, 0).begin());
  assert.ok(first.type === "advertise_keys");
  await refusedForIt(
    "bad_public_key",
    only("advertise_keys", (m) => [sign({ ...m, maskKey: first.maskKey })]),
  );
});

Deno.test("a second, different advert of one site is refused and kept beside the first", async () => {
  const c = cohort(5);
  const { refused, server } = await runRound(c, {
    toServer: (bytes, i) => {
      if (i !== 1 || decodeMessage(bytes).type !== "advertise_keys") return [bytes];
      return [bytes, makeClient(c, 1, { random: testRandom("second set of keys") }).begin()];
    },
  });
  assert.deepEqual(refused.map(({ reason }) => reason), ["conflicting_message"]);
  assert.deepEqual(server.result!.sum, plainSum(c, [0, 1, 2, 3, 4]));
});

Deno.test("acceptAdvert() refuses a site that is not enrolled and a site beyond nMax", async () => {
  const c = cohort(5);
  const small = { ...c, config: makeRoundConfig({ ...c.config, nMax: 4, nMin: 3, threshold: 3 }) };
  const { server, refused } = await runRound(small);
  assert.deepEqual(refused.map(({ i, reason }) => [i, reason]), [[4, "cohort_full"]]);
  assert.deepEqual(server.result!.sum, plainSum(c, [0, 1, 2, 3]));
  const fresh = new SecAggServer({ config: c.config, enrolled: c.enrolled });
  const advert = decodeMessage(makeClient(c, 0).begin());
  assert.ok(advert.type === "advertise_keys");
  const receipt = fresh.receive("stranger", encodeMessage({ ...advert, clientId: "stranger" }));
  assert.ok(receipt.kind === "refused" && receipt.error.reason === "bad_signature");
});

Deno.test("acceptShares() refuses shares that are unsigned, of another session or place, or not for the neighbours", async () => {
  const c = cohort(5, { nMin: 4 });
  const sign = (message: Extract<ClientMessage, { type: "share_keys" }>): ClientMessage => ({
    ...message,
    signature: signLabelled(liarOf(c), "share_keys", sharesStatement(message)),
  });
  await refusedForIt("bad_signature", only("share_keys", (m) => [{ ...m, commitment: new Uint8Array(32) }]));
  await refusedForIt("wrong_session", only("share_keys", (m) => [sign({ ...m, sid: new Uint8Array(32) })]));
  await refusedForIt("wrong_index", only("share_keys", (m) => [sign({ ...m, index: 2 })]));
  await refusedForIt("wrong_index", only("share_keys", (m) => [sign({ ...m, index: 60_000 })]));
  await refusedForIt(
    "wrong_recipients",
    only("share_keys", (m) => [sign({ ...m, ciphertexts: m.ciphertexts.slice(1) })]),
  );
  await refusedForIt(
    "wrong_recipients",
    only(
      "share_keys",
      (m) => [sign({ ...m, ciphertexts: m.ciphertexts.map((x) => x.peer === 4 ? { ...x, peer: 9 } : x) })],
    ),
  );
});

Deno.test("acceptChunk() refuses chunks of another length, place, session or site", async () => {
  const chunk = (change: (m: Extract<ClientMessage, { type: "masked_chunk" }>) => ClientMessage): Change =>
    only("masked_chunk", (m) => [change(m)]);
  await refusedForIt("chunk_length", chunk((m) => ({ ...m, payload: m.payload.subarray(4) })));
  await refusedForIt(
    "chunk_length",
    chunk((m) => ({ ...m, payload: Uint8Array.of(...m.payload, 0, 0, 0, 0) })),
  );
  await refusedForIt("chunk_out_of_range", chunk((m) => ({ ...m, chunk: 3 })));
  await refusedForIt("wrong_session", chunk((m) => ({ ...m, sid: new Uint8Array(32) })));
  await refusedForIt("wrong_index", chunk((m) => ({ ...m, index: 0 })));
});

Deno.test("acceptChunk() refuses coordinates outside the ring", async () => {
  const c = cohort(5, { nMin: 4, ringBits: 20 });
  await refusedForIt(
    "value_out_of_range",
    only("masked_chunk", (m) => [{ ...m, payload: m.payload.with(2, 0x10) }]),
    c,
  );
  const packed = cohort(5, { nMin: 4, ringBits: 19, wireForm: "packed20" });
  await refusedForIt(
    "value_out_of_range",
    only("masked_chunk", (m) => [{ ...m, payload: m.payload.with(2, 0x08) }]),
    packed,
  );
});

Deno.test("acceptChunk() refuses a different chunk in the same place, and the round goes on without it", async () => {
  const c = cohort(5, { nMin: 4 });
  const { refused, server } = await withLiar(
    c,
    only("masked_chunk", (m) => [m, { ...m, payload: m.payload.with(0, m.payload[0] ^ 1) }]),
  );
  assert.ok(refused.every(({ reason }) => reason === "conflicting_message"));
  assert.equal(refused.length, 3);
  assert.deepEqual(server.result!.sum, plainSum(c, [0, 1, 2, 3, 4]));
});

Deno.test("chunks may come in any order and repeatedly; the sum counts each once", async () => {
  const c = cohort(4);
  const held: ClientMessage[] = [];
  const { server, refused } = await withLiar(c, (m) => {
    if (m.type === "masked_chunk") held.unshift({ ...m, payload: m.payload.slice() });
    if (m.type === "masked_chunk") return [];
    return m.type === "commit_vector" ? [...held, ...held, m, m] : [m];
  });
  assert.deepEqual(refused, []);
  assert.deepEqual(server.result!.sum, plainSum(c, [0, 1, 2, 3]));
});

Deno.test("acceptCommit() refuses an incomplete vector, another root, or a commit that is not signed", async () => {
  const c = cohort(5, { nMin: 4 });
  const swap: Change = (m) => m.type === "masked_chunk" && m.chunk < 2 ? [{ ...m, chunk: 1 - m.chunk }] : [m];
  await refusedForIt("vector_root_mismatch", swap);
  await refusedForIt("incomplete_vector", only("masked_chunk", (m) => m.chunk === 1 ? [] : [m]));
  await refusedForIt(
    "vector_root_mismatch",
    only("commit_vector", (m) => [{ ...m, vectorRoot: new Uint8Array(32) }]),
  );
  await refusedForIt(
    "bad_signature",
    only("commit_vector", (m) => [{ ...m, signature: m.signature.with(0, m.signature[0] ^ 1) }]),
  );
  // A signature over the right root by another site does not commit.
  await refusedForIt(
    "bad_signature",
    only("commit_vector", (m) => [{
      ...m,
      signature: signLabelled(c.ids[2], "commit_vector", commitStatement(m.sid, m.index, m.vectorRoot)),
    }]),
  );
});

Deno.test("the root of a vector depends on session, site, and order of its chunks", () => {
  const [a, b] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const roots = [
    vectorRoot(nativeProvider, a, 0, [a, b]),
    vectorRoot(nativeProvider, b, 0, [a, b]),
    vectorRoot(nativeProvider, a, 1, [a, b]),
    vectorRoot(nativeProvider, a, 0, [b, a]),
    vectorRoot(nativeProvider, a, 0, [a]),
  ];
  assert.equal(new Set(roots.map(String)).size, roots.length);
});

Deno.test("acceptSurvivorSignature() refuses a signature of another set", async () => {
  const c = cohort(5);
  const { server, refused } = await withLiar(
    c,
    only("sign_survivors", (m) => [{ ...m, signature: new Uint8Array(64) }]),
  );
  assert.deepEqual(refused.map(({ reason }) => reason), ["bad_signature"]);
  // Its vector is in the sum: it was committed before.
  assert.deepEqual(server.result!.sum, plainSum(c, [0, 1, 2, 3, 4]));
});

Deno.test("acceptUnmask() refuses shares that are unsigned, missing, foreign, or of the wrong kind", async () => {
  const c = cohort(5, { nMin: 4 });
  const unmask = (change: (m: Extract<ClientMessage, { type: "unmask" }>) => ClientMessage): Change =>
    only("unmask", (m) => [change(m)]);
  for (
    const [reason, change] of [
      [
        "bad_signature",
        unmask((m) => ({ ...m, shares: m.shares.map((s) => ({ ...s, share: new Uint8Array(32) })) })),
      ],
      ["wrong_session", unmask((m) => ({ ...m, sid: new Uint8Array(32) }))],
      ["wrong_index", unmask((m) => ({ ...m, index: 0 }))],
    ] as const
  ) {
    const { server, refused } = await withLiar(c, change);
    assert.deepEqual(refused.map((r) => r.reason), [reason]);
    assert.deepEqual(server.result!.sum, plainSum(c, [0, 1, 2, 3, 4]));
  }
});

Deno.test("acceptUnmask() refuses both shares of a peer, or a share it was not asked for, although they are signed", async () => {
  const c = cohort(5, { nMin: 4 });
  for (
    const alter of [
      (shares: Extract<ClientMessage, { type: "unmask" }>["shares"]) => shares.slice(1),
      (shares: Extract<ClientMessage, { type: "unmask" }>["shares"]) =>
        shares.map((s) => ({ ...s, kind: "mask_key" as const })),
      (
        shares: Extract<ClientMessage, { type: "unmask" }>["shares"],
      ) => [...shares, { ...shares[0], peer: 400 }],
    ]
  ) {
    // The transcript that is signed is the server's: take it from an honest run of the same round.
    const { server: honest } = await runRound(c);
    const transcript = honest.result!.transcript;
    const { server, refused } = await withLiar(
      c,
      only("unmask", (m) => {
        const changed = { ...m, shares: alter(m.shares) };
        return [{
          ...changed,
          signature: signLabelled(liarOf(c), "unmask", unmaskStatement(transcript, changed)),
        }];
      }),
    );
    assert.deepEqual(refused.map((r) => r.reason), ["wrong_shares"]);
    assert.deepEqual(server.result!.sum, plainSum(c, [0, 1, 2, 3, 4]));
  }
});

Deno.test("a site that gave up cannot come back", async () => {
  const c = cohort(5, { nMin: 4 });
  const { refused, server } = await withLiar(
    c,
    (m) =>
      m.type === "share_keys" ? [{ type: "abort", code: "ProtocolAbort", reason: "changed_mind" }, m] : [m],
  );
  assert.equal(refused[0].reason, "peer_aborted");
  assert.deepEqual(server.result!.survivors, ["s000", "s002", "s003", "s004"]);
});

Deno.test("maskInput() refuses a vector of another length", async () => {
  const c = cohort(5, { nMin: 4 });
  for (const length of [0, 36, 38]) {
    const input = () => new Uint32Array(length);
    const { steps, server } = await runRound(c, { client: (i) => i === 1 ? { input } : {} });
    assert.ok(steps[1]?.kind === "abort");
    assert.equal(steps[1].error.reason, "input_length");
    assert.deepEqual(steps[1].error.evidence, [], "nobody else is at fault, so nobody's message is shown");
    assert.deepEqual(server.result!.sum, plainSum(c, [0, 2, 3, 4]));
  }
});

Deno.test("a coordinate outside the ring or the bound is taken to the bound and counted at home: no drop-out shows it", async () => {
  const [bound, ring] = [1000, 2 ** 24];
  const c = cohort(5, { nMin: 4, ringBits: 24, coordinateBound: bound });
  for (
    const [value, taken, outside] of [
      [bound, bound, 0],
      [bound + 1, bound, 1],
      [ring / 2 - 1, bound, 1],
      [ring / 2, -bound, 1],
      [ring - bound - 1, -bound, 1],
      [ring - bound, -bound, 0],
      [ring - 1, -1, 0],
      [ring + 3, 3, 1], // not canonical
      [2 ** 32 - 1, -1, 1],
    ] as const
  ) {
    const input = () => new Uint32Array(37).with(5, value);
    const { clients, steps, server } = await runRound(c, { client: (i) => i === 1 ? { input } : {} });
    assert.equal(steps[1]?.kind, "next");
    assert.equal(clients[1].saturatedCoordinates, outside, `${value}`);
    const others = plainSum(c, [0, 2, 3, 4]);
    const expected = others.map((word, k) => k === 5 ? (word + taken) & (ring - 1) : word);
    assert.deepEqual(server.result!.sum, expected, `${value}`);
  }
});
