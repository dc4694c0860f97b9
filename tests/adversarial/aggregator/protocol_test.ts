import assert from "node:assert/strict";
import { sealRoundOrder } from "../../../src/federation/round_order.ts";
import {
  type AdvertiseKeysMessage,
  advertLeaf,
  type ClientMessage,
  decodeMessage,
  type DeliverSharesMessage,
  encodeMessage,
  generateIdentity,
  IndexSet,
  nativeProvider,
  type RosterEntry,
  type RosterMessage,
  type RoundConfig,
  type ServerMessage,
  type ShareKeysMessage,
  signLabelled,
  type SurvivorsMessage,
  type UnmaskRequestMessage,
} from "../../../src/secure_agg/mod.ts";
import { advertStatement } from "../../../src/secure_agg/session.ts";
import { type Attack, attack, type Knowledge, type Lie } from "./_step.ts";
import { inWorld, type SiteName, SITES, VICTIM, type World } from "./_world.ts";

/** An attack on the protocol, and how the victim has to answer it. */
interface Case {
  readonly name: string;
  /** Code and reason of the refusal. */
  readonly refusal: readonly [code: string, reason: string];
  /** The last message of the victim's before it gave up; it says `abort` after that. */
  readonly last: ClientMessage["type"] | undefined;
  /** True where honest parties may end so too: the worker waits for the next step. */
  readonly survives?: boolean;
  readonly charges?: number;
  readonly how: (world: World) => Attack | Promise<Attack>;
}

/** Changes the messages of one type. */
function on<T extends ServerMessage["type"]>(
  type: T,
  lie: (message: Extract<ServerMessage, { type: T }>, known: Knowledge) => Lie,
): Attack {
  return {
    tamper: (message, known) =>
      message?.type === type ? lie(message as Extract<ServerMessage, { type: T }>, known) : message,
  };
}

/** Changes the advert of a site on the roster. */
function onRoster(site: SiteName, change: (advert: AdvertiseKeysMessage) => AdvertiseKeysMessage): Attack {
  return on("roster", (roster) => ({
    ...roster,
    entries: roster.entries.map((entry) =>
      entry.kind === "advert" && entry.advert.clientId === site
        ? { ...entry, advert: change(entry.advert) }
        : entry
    ),
  }));
}

function resigned(
  advert: AdvertiseKeysMessage,
  by = generateIdentity(advert.clientId),
): AdvertiseKeysMessage {
  return { ...advert, signature: signLabelled(by, "advertise_keys", advertStatement(advert)) };
}

/** A key whose secret the aggregator knows. */
const known = nativeProvider.x25519PublicKey(new Uint8Array(32).fill(7));
const PEER = SITES[3];
const set = (...indices: number[]) => IndexSet.of(SITES.length, indices);
const ofType = <T extends ClientMessage["type"]>(knowledge: Knowledge, site: SiteName, type: T) =>
  knowledge.heard(site).find((message) => message.type === type) as Extract<ClientMessage, { type: T }>;

/** The order of a step with a changed configuration, signed by the aggregator. */
function ordered(world: World, change: (config: RoundConfig) => RoundConfig): Attack {
  return { order: (config) => sealRoundOrder(change(config), world.aggregator.identity) };
}

/** Shares that the peers dealt to the victim in the session of the others, under the victim's own session id. */
function foreignShares(knowledge: Knowledge): DeliverSharesMessage {
  const { sid } = ofType(knowledge, VICTIM, "share_keys");
  const shares = [1, 2].map((peer) => {
    const dealt: ShareKeysMessage = ofType(knowledge, SITES[peer], "share_keys");
    const { ciphertext } = dealt.ciphertexts.find((share) => share.peer === 0)!;
    return { peer, commitment: dealt.commitment, ciphertext };
  });
  return { type: "deliver_shares", sid, shared: IndexSet.of(3, [0, 1, 2]), shares };
}

const CASES: readonly Case[] = [
  {
    name: "substitutes a peer's mask key by its own",
    refusal: ["ProtocolAbort", "bad_signature"],
    last: "advertise_keys",
    how: () => onRoster(PEER, (advert) => ({ ...advert, maskKey: known })),
  },
  {
    name: "substitutes a peer's keys and signs them by an identity of its own",
    refusal: ["ProtocolAbort", "bad_signature"],
    last: "advertise_keys",
    how: () => onRoster(PEER, (advert) => resigned({ ...advert, maskKey: known, encryptionKey: known })),
  },
  {
    name: "puts a site of its own on the roster in place of a peer",
    refusal: ["ProtocolAbort", "not_enrolled"],
    last: "advertise_keys",
    how: () => onRoster(PEER, (advert) => resigned({ ...advert, clientId: "site-zzz" })),
  },
  {
    name: "shows the victim other keys of its own",
    refusal: ["ProtocolAbort", "own_keys_missing"],
    last: "advertise_keys",
    how: () =>
      on("roster", (roster) => ({
        ...roster,
        entries: roster.entries.map((entry) => entry.kind === "leaf" ? { ...entry, leaf: known } : entry),
      })),
  },
  {
    name: "shows a roster below nMin",
    refusal: ["ProtocolAbort", "roster_too_small"],
    last: "advertise_keys",
    how: () => on("roster", (roster) => ({ ...roster, entries: roster.entries.slice(0, 2) })),
  },
  {
    name: "shows the victim a roster without one peer, and the others one with it",
    refusal: ["ProtocolAbort", "bad_envelope"],
    last: "share_keys",
    how: () => ({
      tamper: (message, knowledge) =>
        message?.type === "roster"
          ? { ...message, entries: message.entries.slice(0, 3) }
          : foreignShares(knowledge),
    }),
  },
  {
    name: "replays the roster of an earlier step",
    refusal: ["ProtocolAbort", "wrong_config"],
    last: "advertise_keys",
    how: async (world) => {
      let old: RosterMessage | undefined;
      await attack(world, on("roster", (roster) => old = roster));
      return on("roster", () => old);
    },
  },
  {
    name: "replays shares of an earlier step",
    refusal: ["ProtocolAbort", "wrong_session"],
    last: "share_keys",
    how: async (world) => {
      let old: DeliverSharesMessage | undefined;
      await attack(world, on("deliver_shares", (shares) => old = shares));
      return on("deliver_shares", () => old);
    },
  },
  {
    name: "swaps the shares of two dealers",
    refusal: ["ProtocolAbort", "bad_envelope"],
    last: "share_keys",
    how: () =>
      on("deliver_shares", (message) => {
        const [a, b, ...rest] = message.shares;
        return { ...message, shares: [{ ...b, peer: a.peer }, { ...a, peer: b.peer }, ...rest] };
      }),
  },
  {
    name: "declares the victim dead before it has uploaded",
    refusal: ["ProtocolAbort", "self_declared_dead"],
    last: "share_keys",
    how: () => on("deliver_shares", (message) => ({ ...message, shared: set(1, 2, 3) })),
  },
  {
    name: "leaves two sites before the upload",
    refusal: ["BelowThreshold", "too_few_survivors"],
    last: "share_keys",
    survives: true,
    how: () =>
      on("deliver_shares", (message) => ({
        ...message,
        shared: set(0, 1),
        shares: message.shares.filter(({ peer }) => peer === 1),
      })),
  },
  {
    name: "declares the victim dead after its upload",
    refusal: ["ProtocolAbort", "self_declared_dead"],
    last: "commit_vector",
    how: () => on("survivors", (message) => ({ ...message, survivors: set(1, 2, 3) })),
  },
  {
    name: "forces all but one site out of the sum",
    refusal: ["BelowThreshold", "too_few_survivors"],
    last: "commit_vector",
    survives: true,
    how: () => on("survivors", (message) => ({ ...message, survivors: set(0) })),
  },
  {
    name: "asks for a sum below the threshold",
    refusal: ["BelowThreshold", "too_few_survivors"],
    last: "commit_vector",
    survives: true,
    how: () => on("survivors", (message) => ({ ...message, survivors: set(0, 1) })),
  },
  {
    name: "revives a peer that had dropped out before the upload",
    refusal: ["ProtocolAbort", "revived_peer"],
    last: "commit_vector",
    how: () => ({
      ...on("survivors", (message) => ({ ...message, survivors: set(0, 1, 2, 3) })),
      drop: (site, phase) => site === PEER && phase === "share_keys",
    }),
  },
  {
    name: "shows the victim other survivors than the rest, and asks for its shares with their signatures",
    refusal: ["ProtocolAbort", "bad_signature"],
    last: "sign_survivors",
    how: () => splitView([1, 2]),
  },
  {
    name: "shows the victim other survivors than the rest, and asks for its shares with its signature alone",
    refusal: ["BelowThreshold", "too_few_signatures"],
    last: "sign_survivors",
    survives: true,
    how: () => splitView([0]),
  },
  {
    name: "asks for shares of another set than the one that was signed",
    refusal: ["ProtocolAbort", "survivors_changed"],
    last: "sign_survivors",
    how: () => on("unmask_request", (message) => ({ ...message, survivors: set(0, 1, 2) })),
  },
  {
    name: "asks twice, for a peer alive and for the same peer dead",
    refusal: ["ProtocolAbort", "conflicting_message"],
    last: "unmask",
    how: () => on("unmask_request", (message) => [message, { ...message, survivors: set(0, 1, 2) }]),
  },
  {
    name: "sends another roster on a retry",
    refusal: ["ProtocolAbort", "conflicting_message"],
    last: "share_keys",
    how: () => on("roster", (message) => [message, { ...message, entries: message.entries.slice(0, 3) }]),
  },
  {
    name: "sends other survivors on a retry",
    refusal: ["ProtocolAbort", "conflicting_message"],
    last: "sign_survivors",
    how: () => on("survivors", (message) => [message, { ...message, survivors: set(0, 1, 2) }]),
  },
  {
    name: "skips the signing of survivors",
    refusal: ["UnexpectedMessage", "unexpected_message"],
    last: "commit_vector",
    how: () =>
      on("survivors", ({ sid, survivors, recordRoot }): UnmaskRequestMessage => ({
        type: "unmask_request",
        sid,
        survivors,
        recordRoot,
        signatures: [],
      })),
  },
  {
    name: "cuts a message in the middle",
    refusal: ["ProtocolAbort", "malformed_message"],
    last: "share_keys",
    how: () => on("deliver_shares", (message) => encodeMessage(message).slice(0, -40)),
  },
  {
    name: "adds bytes to a message",
    refusal: ["ProtocolAbort", "malformed_message"],
    last: "commit_vector",
    how: () => on("survivors", (message: SurvivorsMessage) => new Uint8Array([...encodeMessage(message), 0])),
  },
  {
    name: "sends ten megabytes of anything as a message",
    refusal: ["ProtocolAbort", "malformed_message"],
    last: "advertise_keys",
    how: () => on("roster", () => new Uint8Array(10_000_000).fill(0x41)),
  },
  {
    name: "orders a step with a smaller cohort than the plan's",
    refusal: ["PolicyRefused", "order_not_in_plan"],
    last: undefined,
    charges: 0,
    how: (world) => ordered(world, (config) => ({ ...config, nMax: 3, threshold: 3 })),
  },
  {
    name: "orders a step in another profile",
    refusal: ["PolicyRefused", "order_not_in_plan"],
    last: undefined,
    charges: 0,
    how: (world) => ordered(world, (config) => ({ ...config, profile: "default" })),
  },
  {
    name: "orders a step with other chunks",
    refusal: ["PolicyRefused", "order_not_in_plan"],
    last: undefined,
    charges: 0,
    how: (world) => ordered(world, (config) => ({ ...config, chunkCoordinates: 32 })),
  },
  {
    name: "orders a step beyond the schedule",
    refusal: ["PolicyRefused", "order_not_in_plan"],
    last: undefined,
    charges: 0,
    how: (world) => ordered(world, (config) => ({ ...config, roundId: world.plan.dp.request.steps + 1 })),
  },
  {
    name: "gives the victim another model than the others",
    refusal: ["ProtocolAbort", "bad_signature"],
    last: "advertise_keys",
    how: (world) => otherModel(world, (advert) => advert.configHash),
  },
  {
    name: "gives the victim another model, and shows it the roster of the others as it is",
    refusal: ["ProtocolAbort", "wrong_config"],
    last: "advertise_keys",
    how: (world) => otherModel(world, () => undefined),
  },
];

/** The victim is told that the last site is dead, the others that it lives; these sites' signatures are shown to it. */
function splitView(signers: readonly number[]): Attack {
  const survivors = set(0, 1, 2);
  let shown: SurvivorsMessage;
  return {
    tamper: (message, knowledge): Lie => {
      if (message?.type === "survivors") return shown = { ...message, survivors };
      if (knowledge.server.phase !== "unmask") return message;
      const signatures = signers.map((index) => ({
        index,
        signature: ofType(knowledge, SITES[index], "sign_survivors").signature,
      }));
      return { ...shown, type: "unmask_request", signatures };
    },
  };
}

/** Another model for the victim; its advert goes on the roster of the others, under the configuration that is given. */
function otherModel(
  world: World,
  configHash: (own: AdvertiseKeysMessage) => Uint8Array | undefined,
): Attack {
  const modelHash = nativeProvider.sha256(new TextEncoder().encode("another model"));
  return {
    ...ordered(world, (config) => ({ ...config, modelHash })),
    tamper: (message, knowledge) => {
      const own = ofType(knowledge, VICTIM, "advertise_keys");
      const hash = configHash(own) ?? ofType(knowledge, PEER, "advertise_keys").configHash;
      if (message !== undefined) return message;
      const entries = SITES.map((site): RosterEntry => {
        const advert = ofType(knowledge, site, "advertise_keys");
        if (site === VICTIM) return { kind: "leaf", leaf: advertLeaf(nativeProvider, advert) };
        return { kind: "advert", advert: { ...advert, configHash: hash } };
      });
      return { type: "roster", configHash: hash, entries };
    },
  };
}

Deno.test("an aggregator that has everything but the sites' secrets, over HTTP, against a real worker", async (t) => {
  await inWorld(async (world) => {
    for (const { name, refusal, last, survives = false, charges = 1, how } of CASES) {
      await t.step(`is refused where it ${name}`, async () => {
        const { ending, ...outcome } = await attack(world, await how(world));
        const [code, reason] = refusal;
        if (survives) {
          assert.equal(ending.error, undefined, "a step like that can happen between honest parties");
          assert.ok(ending.events.some(({ kind }) => kind === "aborted"));
        } else {
          assert.deepEqual([ending.error?.code, ending.error?.details.reason], refusal);
        }
        assert.equal(outcome.charges, charges, "charged once at most, before anything leaves");
        assert.equal(outcome.sent.filter((type) => type === "unmask").length, last === "unmask" ? 1 : 0);
        assert.equal(outcome.sent.filter((type) => type !== "abort").at(-1), last);
        if (outcome.sum !== undefined) {
          assert.ok(outcome.survivors.length >= world.plan.secureAggregation.nMin);
        }
        if (last === undefined) return;
        const abort = decodeMessage(world.aggregator.messages(VICTIM, outcome.round).at(-1)!);
        assert.deepEqual(abort, { type: "abort", code, reason }, "it says why, and nothing else");
      });
    }
  });
});
