import type { RandomBytes } from "../formats/random_bytes.ts";
import { type CommonKnowledge, PackedSite } from "./_simulated_site.ts";
import { Cashier, type CpuClock, medianOf, type Meter, newMeter, type UnitCosts } from "./_simulated_cost.ts";
import { type Lie, lyingProvider, tamper } from "./_simulated_lies.ts";
import type { MeteredProvider } from "./_metered_provider.ts";
import { maskInput } from "./client_masked_input.ts";
import { receiveShares } from "./client_receive_shares.ts";
import { dealShares } from "./client_share_keys.ts";
import { signSurvivors } from "./client_sign_survivors.ts";
import { checkNeighbours, type ReadRoster, readRoster, type VerifiedRoster } from "./_client_roster.ts";
import type { ClientAwaitingRoster, ClientContext } from "./client_state.ts";
import { asStep, type StepAbort } from "./client_step.ts";
import { unmask } from "./client_unmask.ts";
import { decodeMessage, encodeMessage } from "./codec.ts";
import { type Enrolled, type Identity, identityFromPrivateKey } from "./identity.ts";
import { IndexSet } from "./index_set.ts";
import type { MaskEngine } from "./mask_engine.ts";
import type { AdvertiseKeysMessage, ServerMessage } from "./messages.ts";
import type { RoundConfig } from "./round_config.ts";
import { advertLeaf, openSession } from "./session.ts";
import { plainVector } from "./_simulated_vector.ts";
import { transcriptHash } from "./transcript.ts";

/** A site as a thread that plays it needs it. */
export interface PlayedSite {
  /** Number of the site in the cohort: decides its vector. */
  readonly site: number;
  /** Client id. */
  readonly id: string;
  /** Ed25519 seed. */
  readonly seed: Uint8Array;
  /** How it lies; undefined for an honest site. */
  readonly lie: Lie | undefined;
  /** Its two X25519 secrets, 32 bytes each, as it advertised them. */
  readonly secrets: Uint8Array;
}

/** What a thread needs to play some sites after the keys are advertised; can be sent to a Worker. */
export interface ActorStart {
  readonly config: RoundConfig;
  readonly configHash: Uint8Array;
  readonly enrolled: Enrolled;
  /** Adverts of all sites by index. */
  readonly adverts: readonly AdvertiseKeysMessage[];
  /** The sites to play, by index. */
  readonly sites: ReadonlyMap<number, PlayedSite>;
  readonly units: UnitCosts;
}

/** A message of the server to the site with this index. */
export interface SiteTask {
  readonly index: number;
  /** The message; none for a roster that this thread has read often enough, see {@link ROSTERS_READ}. */
  readonly bytes: Uint8Array | undefined;
}

/**
 * Rosters that a thread makes, and that a thread reads, in full. They all say the same but for the place of whole adverts,
 * and to read ten thousand entries takes each of ten thousand sites longer than to share its keys: the others are charged
 * the median of these.
 */
export const ROSTERS_READ = 100;

/** What a site answers, and what that cost it. */
export interface SiteReply {
  readonly index: number;
  /** Messages to the server, in order. */
  readonly messages: readonly Uint8Array[];
  /** Why the site gives up; undefined if it goes on. */
  readonly gaveUp: { readonly reason: string; readonly blamed: readonly string[] } | undefined;
  /** Seconds on the thread's clock. */
  readonly seconds: number;
  /** CPU seconds of work that was not repeated. */
  readonly savedSeconds: number;
  /** State, vector and messages at hand, in bytes. */
  readonly memoryBytes: number;
}

/** What an actor runs with; cannot be sent. */
export interface ActorTools {
  readonly metered: MeteredProvider;
  readonly engine: MaskEngine;
  readonly clock: CpuClock;
  readonly random: RandomBytes;
}

/** What a step of a site comes to. */
interface Played {
  readonly messages: readonly Uint8Array[];
  readonly abort?: StepAbort;
  /** Bytes at hand besides the packed state. */
  readonly atHand: number;
}

/**
 * Plays some of a round's sites in this thread through the real phases of the protocol. Between two phases each is
 * packed to its bare secrets, and no more than one vector exists at a time.
 */
export class SimulatedActor {
  readonly #start: ActorStart;
  readonly #tools: ActorTools;
  readonly #common: CommonKnowledge;
  readonly #packed = new Map<number, PackedSite>();
  readonly #identities = new Map<number, Identity>();
  /** Sites whose adverts were checked. */
  readonly #checked = new Set<number>();
  /** Seconds that it took to read each roster. */
  readonly #rosterSeconds: number[] = [];
  /** Length of a roster, the same for all names of one length. */
  #rosterBytes = 0;
  #shared: IndexSet;

  constructor(start: ActorStart, tools: ActorTools) {
    this.#start = start;
    this.#tools = tools;
    const { config, configHash, adverts, sites } = start;
    const { provider, register } = tools.metered;
    const leaves = adverts.map((advert) => advertLeaf(provider, advert));
    this.#common = { session: openSession(provider, config, configHash, leaves), adverts };
    for (const [index, { id, seed, secrets }] of sites) {
      register(adverts[index].encryptionKey, secrets.subarray(0, 32));
      register(adverts[index].maskKey, secrets.subarray(32));
      this.#packed.set(index, new PackedSite(secrets.slice()));
      this.#identities.set(index, identityFromPrivateKey(id, seed, provider));
    }
    this.#shared = IndexSet.of(adverts.length, []);
  }

  /** Answers of the sites, one after the other. */
  async step(tasks: readonly SiteTask[]): Promise<SiteReply[]> {
    const { metered, clock } = this.#tools;
    const cashier = new Cashier(clock, metered.saved, this.#start.units);
    const replies: SiteReply[] = [];
    for (const { index, bytes } of tasks) {
      const meter = newMeter();
      const played = await cashier.charge(
        meter,
        () => bytes === undefined ? this.#shareAsOthers(index, meter) : this.#play(index, bytes),
      );
      const { abort, messages } = played;
      const packed = this.#packed.get(index)!;
      if (abort !== undefined) packed.wipe();
      const goodbye = abort && encodeMessage({
        type: "abort",
        code: abort.error.code,
        reason: abort.error.reason,
      });
      replies.push({
        index,
        messages: goodbye === undefined ? messages : [goodbye],
        gaveUp: abort && { reason: abort.error.reason, blamed: abort.error.blamed },
        seconds: meter.cpuSeconds,
        savedSeconds: meter.savedSeconds,
        memoryBytes: played.atHand + packed.bytes,
      });
    }
    return replies;
  }

  #contextOf(index: number): ClientContext {
    const { config, configHash, enrolled, sites } = this.#start;
    const { metered: { provider }, random } = this.#tools;
    return {
      config,
      configHash,
      identity: this.#identities.get(index)!,
      enrolled,
      provider: sites.get(index)!.lie === "wrong_commitment" ? lyingProvider(provider) : provider,
      random,
    };
  }

  /** Phase 1, once the roster is read. */
  #share(index: number, read: (state: ClientAwaitingRoster) => ReadRoster): Played {
    const packed = this.#packed.get(index)!;
    const state = packed.advertised(this.#contextOf(index), this.#start.adverts[index]);
    const step = asStep(() => {
      return dealShares(state, this.#checkNeighbours(state, read(state)));
    });
    if (step.kind === "abort") return { messages: [], atHand: 0, abort: step };
    packed.packShared(step.state);
    return { messages: [step.outbound], atHand: this.#rosterBytes + step.outbound.length };
  }

  /** Checks the neighbours that nobody in this thread has checked, and charges the signatures of all others. */
  #checkNeighbours(state: ClientAwaitingRoster, roster: ReadRoster): VerifiedRoster {
    const { adverts } = roster;
    const fresh = new Map([...adverts].filter(([peer]) => !this.#checked.has(peer)));
    const checked = checkNeighbours(state, { ...roster, adverts: fresh });
    for (const peer of fresh.keys()) this.#checked.add(peer);
    this.#tools.metered.saved.verifications += adverts.size - fresh.size;
    return { ...checked, adverts };
  }

  /** Phase 1 of a site whose roster says what others in this thread have read: charged as much as they. */
  #shareAsOthers(index: number, meter: Meter): Played {
    const { session, adverts } = this.#common;
    const neighbours = session.graph.closed(index).filter((peer) => peer !== index);
    meter.savedSeconds += medianOf(this.#rosterSeconds);
    return this.#share(index, () => ({
      session,
      index,
      adverts: new Map(neighbours.map((peer) => [peer, adverts[peer]])),
    }));
  }

  async #play(index: number, bytes: Uint8Array): Promise<Played> {
    const { config, configHash, sites } = this.#start;
    const { engine, clock, metered: { provider } } = this.#tools;
    const { lie, site } = sites.get(index)!;
    const context = this.#contextOf(index);
    const packed = this.#packed.get(index)!;
    const common = this.#common;
    const none = { messages: [], atHand: 0 };
    const began = clock();
    const message = decodeMessage(bytes) as ServerMessage;
    const inbound = bytes.length;
    switch (message.type) {
      case "roster":
        this.#rosterBytes = inbound;
        return this.#share(index, (state) => {
          const roster = readRoster(state, message);
          this.#rosterSeconds.push(clock() - began);
          return roster;
        });
      case "deliver_shares": {
        this.#shared = message.shared;
        const step = receiveShares(packed.shared(context, index, common), message);
        if (step.kind === "abort") return { ...none, abort: step };
        const masked = await maskInput(step.state, plainVector(config, site), engine);
        if (masked.kind === "abort") return { ...none, abort: masked };
        packed.packFrozen(masked.state);
        const messages = [...masked.upload].map((part) => tamper(lie, part, context.identity, configHash));
        const longest = messages.reduce((most, { length }) => Math.max(most, length), 0);
        return { messages, atHand: 4 * config.dimension + longest };
      }
      case "survivors": {
        const step = signSurvivors(packed.survivor(context, index, common, this.#shared), message);
        if (step.kind === "abort") return { ...none, abort: step };
        packed.signed = step.state.signed;
        return { messages: [step.outbound], atHand: inbound };
      }
      case "unmask_request": {
        const step = unmask(packed.signer(context, index, common, this.#shared), message);
        packed.wipe();
        if (step.kind === "abort") return { ...none, abort: step };
        const transcript = transcriptHash(provider, { ...message, shared: this.#shared });
        const outbound = tamper(lie, step.outbound, context.identity, transcript);
        return { messages: [outbound], atHand: inbound + outbound.length };
      }
      case "abort":
        return none;
    }
  }
}
