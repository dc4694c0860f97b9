import assert from "node:assert/strict";
import {
  advertiseKeys,
  type AdvertiseKeysMessage,
  type ClientAwaitingShares,
  decodeMessage,
  type DeliverSharesMessage,
  encodeMessage,
  IndexSet,
  makeRoundConfig,
  nativeProvider,
  receiveShares,
  type RosterMessage,
  roundConfigHash,
  type SecAggError,
  SecAggServer,
  type ServerMessage,
  shareKeys,
  signLabelled,
} from "../../src/secure_agg/mod.ts";
import { envelopeAad } from "../../src/secure_agg/key_schedule.ts";
import { advertStatement } from "../../src/secure_agg/session.ts";
import {
  type Cohort,
  cohort,
  type DropPoint,
  identities,
  makeClient,
  type RoundOptions,
  runRound,
  testRandom,
} from "./_harness.ts";

type Tamper = (message: ServerMessage, i: number) => ServerMessage | undefined;

/** Runs a round in which the server's messages are changed, and gives the error of site 0. */
async function refusalOfSite0(c: Cohort, tamper: Tamper, options: RoundOptions = {}): Promise<SecAggError> {
  const { steps, server } = await runRound(c, {
    ...options,
    toClient: (bytes, i) => {
      const changed = tamper(decodeMessage(bytes) as ServerMessage, i);
      return changed && encodeMessage(changed);
    },
  });
  const step = steps[0];
  assert.ok(step?.kind === "abort", "site 0 went along");
  const told = [...step.outbound].map(decodeMessage);
  assert.ok(told.every((message) => message.type === "abort" && message.reason === step.error.reason));
  assert.ok(server.answered.length === 0 || !server.answered.includes("s000"));
  return step.error;
}

/** Changes the roster for site 0 only. */
const roster = (change: (message: RosterMessage) => RosterMessage): Tamper => (message, i) =>
  message.type === "roster" && i === 0 ? change(message) : message;

/** Changes one neighbour's advert on the roster of site 0. */
const advertOf = (index: number, change: (advert: AdvertiseKeysMessage) => AdvertiseKeysMessage): Tamper =>
  roster((message) => ({
    ...message,
    entries: message.entries.map((entry, i) =>
      i === index && entry.kind === "advert" ? { kind: "advert", advert: change(entry.advert) } : entry
    ),
  }));

async function refuses(
  tamper: Tamper,
  reason: string,
  code = "ProtocolAbort",
  c = cohort(5),
): Promise<SecAggError> {
  const error = await refusalOfSite0(c, tamper);
  assert.equal(error.reason, reason);
  assert.equal(error.code, code);
  return error;
}

const freshKey = nativeProvider.x25519PublicKey(new Uint8Array(32).fill(5));

Deno.test("shareKeys() refuses a substituted key, and keeps the advert as evidence", async () => {
  for (const field of ["encryptionKey", "maskKey"] as const) {
    const error = await refuses(advertOf(2, (advert) => ({ ...advert, [field]: freshKey })), "bad_signature");
    assert.deepEqual(error.blamed, ["s002"]);
    assert.equal(decodeMessage(error.evidence[0]).type, "advertise_keys");
  }
});

Deno.test("shareKeys() refuses keys signed by a site that is not enrolled, or under another name", async () => {
  await refuses(advertOf(2, (advert) => ({ ...advert, clientId: "s0019" })), "not_enrolled");
  await refuses(advertOf(1, (advert) => ({ ...advert, clientId: "s000a" })), "not_enrolled");
});

Deno.test("shareKeys() refuses a roster without this site's own keys, with them changed, or with them twice", async () => {
  const leaf = new Uint8Array(32).fill(9);
  await refuses(
    roster((m) => ({ ...m, entries: m.entries.map((e, i) => i === 0 ? { kind: "leaf", leaf } : e) })),
    "own_keys_missing",
  );
  await refuses(roster((m) => ({ ...m, entries: m.entries.slice(1) })), "own_keys_missing");
  await refuses(roster((m) => ({ ...m, entries: [m.entries[0], ...m.entries] })), "own_keys_missing");
});

Deno.test("shareKeys() refuses a site that appears twice", async () => {
  await refuses(
    roster((m) => ({ ...m, entries: [...m.entries.slice(0, 4), m.entries[3]] })),
    "duplicate_client",
  );
  // The same site with two validly signed sets of keys: from two runs of site 3.
  const other = adverts(cohort(5), "second life");
  await refuses(
    roster((m) => ({ ...m, entries: [...m.entries.slice(0, 4), { kind: "advert", advert: other[3] }] })),
    "duplicate_client",
  );
});

/** The adverts of all sites of a cohort, drawn with another seed. */
function adverts(c: Cohort, seed: string): AdvertiseKeysMessage[] {
  return c.ids.map((_, i) => {
    const message = decodeMessage(makeClient(c, i, { random: testRandom(`${seed} ${i}`) }).begin());
    assert.ok(message.type === "advertise_keys");
    return message;
  });
}

Deno.test("shareKeys() refuses a roster that is not sorted", async () => {
  await refuses(
    roster((m) => ({ ...m, entries: [...m.entries.slice(0, 3), m.entries[4], m.entries[3]] })),
    "unordered_clients",
  );
});

/** An advert of `signer` with other keys, validly signed. */
function resigned(
  c: Cohort,
  signer: number,
  advert: AdvertiseKeysMessage,
  keys: Partial<AdvertiseKeysMessage>,
): AdvertiseKeysMessage {
  const fields = { ...advert, ...keys };
  return { ...fields, signature: signLabelled(c.ids[signer], "advertise_keys", advertStatement(fields)) };
}

Deno.test("shareKeys() refuses a key that two sites share, and a site's own key as another's", async () => {
  const c = cohort(5);
  for (const keep of ["encryptionKey", "maskKey"] as const) {
    const stolen = roster((m) => {
      const [from, to] = [m.entries[1], m.entries[2]];
      assert.ok(from.kind === "advert" && to.kind === "advert");
      const advert = resigned(c, 2, to.advert, { maskKey: from.advert[keep] });
      return { ...m, entries: m.entries.map((e, i) => i === 2 ? { kind: "advert", advert } : e) };
    });
    const error = await refuses(stolen, "duplicate_key", "ProtocolAbort", c);
    assert.deepEqual(error.blamed, ["s002"]);
  }
  const own = decodeMessage(makeClient(c, 0).begin());
  assert.ok(own.type === "advertise_keys");
  await refuses(
    advertOf(2, (advert) => resigned(c, 2, advert, { encryptionKey: own.encryptionKey })),
    "duplicate_key",
    "ProtocolAbort",
    c,
  );
});

Deno.test("shareKeys() refuses whole adverts hidden as hashes, and hashes shown as adverts", async () => {
  await refuses(
    roster((m) => ({
      ...m,
      entries: m.entries.map((e, i) => i === 2 ? { kind: "leaf", leaf: new Uint8Array(32).fill(3) } : e),
    })),
    "wrong_neighbours",
  );
});

Deno.test("shareKeys() refuses keys that are not canonical or of low order even if they are signed", async () => {
  const c = cohort(5);
  for (const bad of [new Uint8Array(32).fill(255), new Uint8Array(32)]) {
    await refuses(
      advertOf(2, (advert) => resigned(c, 2, advert, { encryptionKey: bad })),
      "bad_public_key",
      "ProtocolAbort",
      c,
    );
  }
});

Deno.test("receiveShares() refuses a mask key of low order even if it is signed and its dealer's shares fit", async () => {
  const c = cohort(4);
  const { state, deliver } = await awaitingShares(c);
  const maskKey = new Uint8Array(32);
  const peers = new Map(state.peers).set(2, { ...state.peers.get(2)!, maskKey });
  const shares = deliver.shares.map((share) => {
    if (share.peer !== 2) return share;
    const aad = envelopeAad(deliver.sid, 2, 0, share.commitment, maskKey);
    const key = state.peers.get(2)!.inboundKey.reveal();
    return { ...share, ciphertext: nativeProvider.seal(key, new Uint8Array(12), aad, new Uint8Array(64)) };
  });
  const step = receiveShares({ ...state, peers }, { ...deliver, shares });
  assert.ok(step.kind === "abort");
  assert.equal(step.error.reason, "bad_public_key");
  assert.deepEqual(step.error.blamed, ["s002"]);
});

/** Site 0, by the pure functions, when it has sent its shares; and the honest message that comes next. */
async function awaitingShares(
  c: Cohort,
): Promise<{ state: ClientAwaitingShares; deliver: DeliverSharesMessage }> {
  const { config, enrolled } = c;
  const configHash = roundConfigHash(config);
  const random = testRandom("client 0");
  const first = advertiseKeys({
    config,
    configHash,
    identity: c.ids[0],
    enrolled,
    provider: nativeProvider,
    random,
  });
  assert.ok(first.kind === "next");
  const server = new SecAggServer({ config, enrolled });
  const others = c.ids.map((_, i) => makeClient(c, i)).slice(1);
  server.receive("s000", first.outbound);
  others.forEach((client, i) => server.receive(c.ids[i + 1].id, client.begin()));
  await server.close();
  const message = decodeMessage(server.outboundFor("s000")!);
  assert.ok(message.type === "roster");
  const second = shareKeys(first.state, message);
  assert.ok(second.kind === "next");
  server.receive("s000", second.outbound);
  for (const [i, client] of others.entries()) {
    for (const out of (await client.receive(server.outboundFor(c.ids[i + 1].id)!)).outbound) {
      server.receive(c.ids[i + 1].id, out);
    }
  }
  await server.close();
  const deliver = decodeMessage(server.outboundFor("s000")!);
  assert.ok(deliver.type === "deliver_shares");
  return { state: second.state, deliver };
}

Deno.test("shareKeys() refuses a roster below nMin and above nMax", async () => {
  await refuses(roster((m) => ({ ...m, entries: m.entries.slice(0, 3) })), "roster_too_small");
  const leaf = (fill: number): { kind: "leaf"; leaf: Uint8Array } => ({
    kind: "leaf",
    leaf: new Uint8Array(32).fill(fill),
  });
  await refuses(roster((m) => ({ ...m, entries: [...m.entries, leaf(1)] })), "roster_too_large");
});

Deno.test("a site that was shown another model, plan or threshold refuses the roster of the others", async () => {
  for (
    const change of [{ modelHash: new Uint8Array(32).fill(99) }, { planHash: new Uint8Array(32) }, {
      threshold: 5,
      nMin: 5,
    }]
  ) {
    const c = cohort(5);
    const other = makeRoundConfig({ ...c.config, ...change });
    const { steps, refused } = await runRound(c, { client: (i) => i === 0 ? { config: other } : {} });
    // The server sees at once that site 0 advertised under another configuration.
    assert.deepEqual(refused.map(({ i, reason }) => [i, reason]), [[0, "wrong_config"]]);
    assert.equal(steps[0], undefined);
    // A lying server puts both on one roster: whichever hash it shows, somebody's signature or hash does not fit.
    const mine = adverts({ ...c, config: other }, "other model");
    const error = await refusalOfSite0(
      c,
      advertOf(1, () => ({ ...mine[1], configHash: c.config.modelHash })),
    );
    assert.equal(error.reason, "bad_signature");
    await refuses(roster((m) => ({ ...m, configHash: new Uint8Array(32) })), "wrong_config");
  }
});

Deno.test("a site refuses to begin when the round names other enrolled sites", async () => {
  const c = cohort(4);
  const stranger = identities(5)[4];
  assert.throws(
    () => makeClient(c, 0, { enrolled: new Map([...c.enrolled, [stranger.id, stranger.publicKey]]) }).begin(),
    { reason: "enrolled_changed" },
  );
  assert.throws(() => makeClient(c, 0, { identity: stranger }).begin(), { reason: "not_enrolled" });
  const swapped = { ...c.ids[0], publicKey: c.ids[1].publicKey };
  assert.throws(() => makeClient(c, 0, { identity: swapped }).begin(), { reason: "not_enrolled" });
});

Deno.test("a replayed session is refused: the roster of an older one lacks the fresh keys", async () => {
  const c = cohort(4);
  const old = new Map<string, Uint8Array>();
  await runRound(c, {
    toClient: (bytes, i) => {
      if (i === 0) old.set(decodeMessage(bytes).type, bytes);
      return bytes;
    },
  });
  for (
    const [type, reason] of [
      ["roster", "own_keys_missing"],
      ["deliver_shares", "wrong_session"],
      ["survivors", "wrong_session"],
      ["unmask_request", "wrong_session"],
    ]
  ) {
    const { steps } = await runRound(c, {
      client: (i) => i === 0 ? { random: testRandom("a new session") } : {},
      toClient: (bytes, i) => i === 0 && decodeMessage(bytes).type === type ? old.get(type)! : bytes,
    });
    assert.ok(steps[0]?.kind === "abort");
    assert.equal(steps[0].error.reason, reason, type);
  }
});

Deno.test("receiveShares() refuses a set U1 without this site, below nMin, or of another size", async () => {
  const set = (members: number[], n = 5): Tamper => (message, i) =>
    message.type === "deliver_shares" && i === 0 ? { ...message, shared: IndexSet.of(n, members) } : message;
  await refuses(set([1, 2, 3, 4]), "self_declared_dead");
  await refuses(set([0, 1, 2]), "too_few_survivors", "BelowThreshold");
  await refuses(set([0, 1, 2, 3], 6), "malformed_message");
});

Deno.test("receiveShares() refuses shares that are missing, moved, repeated or changed", async () => {
  const shares =
    (change: (m: Extract<ServerMessage, { type: "deliver_shares" }>) => ServerMessage): Tamper =>
    (message, i) => message.type === "deliver_shares" && i === 0 ? change(message) : message;
  await refuses(shares((m) => ({ ...m, shares: m.shares.slice(1) })), "wrong_senders");
  await refuses(shares((m) => ({ ...m, shared: IndexSet.of(5, [0, 1, 2, 3]) })), "wrong_senders");
  const swapped = await refuses(
    shares((m) => ({
      ...m,
      shares: m.shares.map((s, i) => ({ ...s, ciphertext: m.shares[(i + 1) % 4].ciphertext })),
    })),
    "bad_envelope",
  );
  assert.deepEqual(swapped.blamed, ["s001"]);
  assert.equal(swapped.evidence.length, 1);
  await refuses(
    shares((m) => ({ ...m, shares: m.shares.map((s) => ({ ...s, commitment: new Uint8Array(32) })) })),
    "bad_envelope",
  );
  await refuses(
    shares((m) => ({
      ...m,
      shares: m.shares.map((s) => ({ ...s, ciphertext: s.ciphertext.with(3, s.ciphertext[3] ^ 1) })),
    })),
    "bad_envelope",
  );
});

for (const profile of ["strict", "default"] as const) {
  const type = profile === "strict" ? "survivors" : "unmask_request";
  const survivors = (members: number[], n = 6): Tamper => (message, i) =>
    message.type === type && i === 0 ? { ...message, survivors: IndexSet.of(n, members) } : message;
  const c = (): Cohort => cohort(6, { profile, threshold: 4, nMin: 4 });
  const dropped: RoundOptions = { drops: new Map<number, DropPoint>([[5, "share_keys"]]) };

  Deno.test(`a ${type} message that declares this site dead is refused (${profile})`, async () => {
    const error = await refusalOfSite0(c(), survivors([1, 2, 3, 4]), dropped);
    assert.equal(error.reason, "self_declared_dead");
  });

  Deno.test(`a ${type} message below nMin is refused (${profile})`, async () => {
    const error = await refusalOfSite0(c(), survivors([0, 1, 2]), dropped);
    assert.equal(error.code, "BelowThreshold");
    assert.equal(error.reason, "too_few_survivors");
  });

  Deno.test(`a ${type} message that revives a site that had dropped out is refused (${profile})`, async () => {
    const error = await refusalOfSite0(c(), survivors([0, 1, 2, 3, 4, 5]), dropped);
    assert.equal(error.reason, "revived_peer");
  });

  Deno.test(`a second request that calls a living peer dead is refused, and both are kept (${profile})`, async () => {
    const c6 = c();
    const requests: Uint8Array[] = [];
    const { clients, server } = await runRound(c6, {
      toClient: (bytes, i) => {
        if (i === 0 && decodeMessage(bytes).type === "unmask_request") requests.push(bytes);
        return bytes;
      },
    });
    assert.equal(server.phase, "finished");
    assert.equal(clients[0].phase, "done");
    // The same bytes again: the same answer again.
    const again = await clients[0].receive(requests[0]);
    assert.ok(again.kind === "next");
    assert.deepEqual([...again.outbound].map((bytes) => decodeMessage(bytes).type), ["unmask"]);
    const request = decodeMessage(requests[0]);
    assert.ok(request.type === "unmask_request");
    const second = encodeMessage({ ...request, survivors: IndexSet.of(6, [0, 1, 2, 3, 4]) });
    const step = await clients[0].receive(second);
    assert.ok(step.kind === "abort");
    assert.equal(step.error.reason, "conflicting_message");
    assert.deepEqual(step.error.evidence, [requests[0], second]);
    assert.equal(clients[0].phase, "aborted");
  });
}

Deno.test("unmask() refuses a survivor set other than the one that this site signed (strict)", async () => {
  const error = await refusalOfSite0(
    cohort(6, { threshold: 4, nMin: 4 }),
    (message, i) =>
      message.type === "unmask_request" && i === 0
        ? { ...message, survivors: IndexSet.of(6, [0, 1, 2, 3, 4]) }
        : message,
  );
  assert.equal(error.reason, "survivors_changed");
});

Deno.test("unmask() refuses a record of other shares or vectors than the one that this site signed (strict)", async () => {
  const error = await refusalOfSite0(
    cohort(5),
    (message, i) =>
      message.type === "unmask_request" && i === 0 ? { ...message, recordRoot: new Uint8Array(32) } : message,
  );
  assert.equal(error.reason, "survivors_changed");
});

Deno.test("a split view of the survivors ends in a refusal, not in a share (strict)", async () => {
  // Sites 0 to 2 are told that 5 is dead, the others that all live. Nobody can be shown t fitting signatures.
  const c = cohort(6, { threshold: 5, nMin: 5 });
  const { server, steps, refused } = await runRound(c, {
    toClient: (bytes, i) => {
      const message = decodeMessage(bytes);
      if (message.type !== "survivors" || i > 2) return bytes;
      return encodeMessage({ ...message, survivors: IndexSet.of(6, [0, 1, 2, 3, 4]) });
    },
  });
  assert.equal(server.phase, "aborted");
  assert.equal(server.error!.reason, "too_few_signatures");
  assert.deepEqual(refused.map(({ reason }) => reason), ["bad_signature", "bad_signature", "bad_signature"]);
  assert.ok(steps.every((step) => step?.kind === "next" && step.phase === "awaiting_unmask"));
});

Deno.test("unmask() refuses too few, repeated or foreign signatures (strict)", async () => {
  const request =
    (change: (m: Extract<ServerMessage, { type: "unmask_request" }>) => ServerMessage): Tamper => (m, i) =>
      m.type === "unmask_request" && i === 0 ? change(m) : m;
  await refuses(
    request((m) => ({ ...m, signatures: m.signatures.slice(1) })),
    "too_few_signatures",
    "BelowThreshold",
  );
  await refuses(request((m) => ({ ...m, signatures: [] })), "too_few_signatures", "BelowThreshold");
  await refuses(
    request((m) => ({ ...m, signatures: m.signatures.map((s, i) => ({ ...s, index: i + 1 })) })),
    "bad_signature",
  );
  await refuses(
    request((m) => ({
      ...m,
      signatures: [...m.signatures, { index: 77, signature: m.signatures[0].signature }],
    })),
    "bad_signature",
  );
  // A repeated signer does not even decode: the list must strictly ascend.
  await refuses(
    request((m) => ({ ...m, signatures: [m.signatures[0], ...m.signatures] })),
    "malformed_message",
  );
});

Deno.test("unmask() refuses signatures in a profile that has none", async () => {
  const extra = { index: 1, signature: new Uint8Array(64) };
  await refuses(
    (m, i) => m.type === "unmask_request" && i === 0 ? { ...m, signatures: [extra] } : m,
    "malformed_message",
    "ProtocolAbort",
    cohort(5, { profile: "default" }),
  );
});

Deno.test("unmask() in strict refuses a request before the survivors were signed", async () => {
  const c = cohort(5);
  let request: Uint8Array | undefined;
  await runRound(c, {
    toClient: (bytes, i) => {
      if (i === 0 && decodeMessage(bytes).type === "unmask_request") request = bytes;
      return bytes;
    },
  });
  const { steps } = await runRound(c, {
    toClient: (bytes, i) => i === 0 && decodeMessage(bytes).type === "survivors" ? request! : bytes,
  });
  assert.ok(steps[0]?.kind === "abort");
  assert.equal(steps[0].error.code, "UnexpectedMessage");
});

Deno.test("a server that changes an earlier message on a retry is refused at every step, with both kept", async () => {
  for (const type of ["roster", "deliver_shares", "survivors"]) {
    const c = cohort(5);
    const sent = new Map<string, Uint8Array>();
    const { clients } = await runRound(c, {
      toClient: (bytes, i) => {
        if (i === 0) sent.set(decodeMessage(bytes).type, bytes);
        return bytes;
      },
    });
    const again = await clients[0].receive(sent.get(type)!);
    assert.equal(again.kind, "next", "an identical retry is answered alike");
    const other = sent.get(type)!.slice();
    other[other.length - 1] ^= 1;
    const step = await clients[0].receive(other);
    assert.ok(step.kind === "abort");
    assert.equal(step.error.reason, "conflicting_message");
    assert.equal(step.error.evidence.length, 2);
  }
});

Deno.test("bytes that are no message end the session with a typed error", async () => {
  const c = cohort(4);
  for (
    const bytes of [new Uint8Array(0), new Uint8Array(100), new TextEncoder().encode("<html>502</html>")]
  ) {
    const { steps } = await runRound(c, { toClient: (honest, i) => i === 0 ? bytes : honest });
    assert.ok(steps[0]?.kind === "abort");
    assert.equal(steps[0].error.reason, "malformed_message");
  }
});
