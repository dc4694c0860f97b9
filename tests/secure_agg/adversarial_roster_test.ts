import assert from "node:assert/strict";
import {
  advertiseKeys,
  type AdvertiseKeysMessage,
  type ClientAwaitingShares,
  decodeMessage,
  type DeliverSharesMessage,
  IndexSet,
  makeRoundConfig,
  nativeProvider,
  receiveShares,
  type RosterMessage,
  roundConfigHash,
  SecAggServer,
  type ServerMessage,
  shareKeys,
  signLabelled,
} from "../../src/secure_agg/mod.ts";
import { envelopeAad } from "../../src/secure_agg/key_schedule.ts";
import { advertStatement } from "../../src/secure_agg/session.ts";
import { type Cohort, cohort, identities, makeClient, runRound, testRandom } from "./_harness.ts";
import { refusalOfSite0, refuses, type Tamper } from "./_adversary.ts";

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
  const notCanonical = new Uint8Array(32).fill(255);
  for (
    const keys of [{ encryptionKey: notCanonical }, { maskKey: notCanonical }, {
      encryptionKey: new Uint8Array(32),
    }]
  ) {
    await refuses(
      advertOf(2, (advert) => resigned(c, 2, advert, keys)),
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

Deno.test("a site refuses to begin when the round names other enrolled sites", () => {
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
