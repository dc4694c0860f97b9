import type { RandomBytes } from "../formats/random_bytes.ts";
import { type ActorStart, type PlayedSite, ROSTERS_READ, type SiteReply } from "./_simulated_actor.ts";
import { Cashier, type CpuClock, medianOf, type Meter, newMeter, type UnitCosts } from "./_simulated_cost.ts";
import type { Lie } from "./_simulated_lies.ts";
import { playHere, playInWorker, type SitePlayer, sitesOfTask, split } from "./_simulated_pool.ts";
import { plainVector } from "./_simulated_vector.ts";
import type { MeteredProvider } from "./_metered_provider.ts";
import { concatBytes } from "./_bytes.ts";
import type { Blame } from "./blame.ts";
import { checkContext } from "./_client_checks.ts";
import { draftAdvert } from "./client_advertise_keys.ts";
import type { ClientContext } from "./client_state.ts";
import type { SecAggError } from "./errors.ts";
import { graphPermutation } from "./graph.ts";
import { type Enrolled, enrolledHash, type Identity } from "./identity.ts";
import type { MaskEngine } from "./mask_engine.ts";
import type { AdvertiseKeysMessage } from "./messages.ts";
import { ringMask } from "./ring_vector.ts";
import type { RoundConfig } from "./round_config.ts";
import { roundConfigHash } from "./round_config_codec.ts";
import { SecAggServer } from "./server.ts";
import { advertLeaf, compareClientIds, openSession } from "./session.ts";

/** One site of a simulated round. */
export interface SimulatedSite {
  /** Its identity. */
  readonly identity: Identity;
  /** True if it disappears after it shared its keys. */
  readonly dropsLate: boolean;
  /** How it lies; undefined for an honest site. */
  readonly lie: Lie | undefined;
}

/** What a round is run with. */
export interface SimulatedRound {
  readonly config: RoundConfig;
  readonly enrolled: Enrolled;
  readonly sites: readonly SimulatedSite[];
  readonly metered: MeteredProvider;
  readonly units: UnitCosts;
  /** CPU seconds of the process, all threads. */
  readonly clock: CpuClock;
  /** Workers that play the sites; 0 for none. */
  readonly workers: number;
  readonly engine: MaskEngine;
  readonly random: RandomBytes;
  /** Called with the phase and the number of sites that are through with it. */
  readonly progress: (phase: string, done: number) => void;
}

/** How a simulated round ended. */
export interface SimulatedOutcome {
  readonly error: SecAggError | undefined;
  readonly survivors: readonly string[];
  /** True if the sum is that of the survivors' plain vectors, in every coordinate. */
  readonly exact: boolean;
  readonly blamed: readonly Blame[];
  /** Sites named by the errors of others. */
  readonly accused: readonly string[];
  /** Messages that the server refused, by reason. */
  readonly refused: ReadonlyMap<string, number>;
  /** Sites that gave up, by reason. */
  readonly gaveUp: ReadonlyMap<string, number>;
  readonly clients: readonly Meter[];
  readonly server: Meter;
  /** CPU seconds of every phase, all parties together. */
  readonly phases: ReadonlyMap<string, number>;
}

const count = (map: Map<string, number>, key: string): unknown => map.set(key, (map.get(key) ?? 0) + 1);

/** Tasks that a Worker has at a time, so that it never waits for the next one. */
const TASKS_AHEAD = 2;

const wallClock = (): number => performance.now() / 1000;

/**
 * Runs one round with all parties in this process. The sites go through the real phases of the protocol in this thread
 * or in Workers; between two phases each is packed to its bare secrets. Besides the server's sum no more than a few
 * vectors for each thread exist at a time. With Workers a party is charged its part of the process's CPU seconds by
 * the time that its steps took.
 */
export async function runSimulatedRound(round: SimulatedRound): Promise<SimulatedOutcome> {
  const { config, enrolled, sites, metered, engine, clock, units } = round;
  const { provider, saved } = metered;
  const server = new SecAggServer({ config, enrolled, provider, engine });
  const configHash = roundConfigHash(config, provider);
  const meters = sites.map(newMeter);
  const serverMeter = newMeter();
  const [refused, gaveUp, phases] = [
    new Map<string, number>(),
    new Map<string, number>(),
    new Map<string, number>(),
  ];
  const accused = new Set<string>();
  const absent = new Set<number>();
  const expected = new Uint32Array(config.dimension);
  let kept = 0; // bytes of messages that the server keeps
  const contextOf = (i: number): ClientContext => ({
    config,
    configHash,
    identity: sites[i].identity,
    enrolled,
    provider,
    random: round.random,
  });
  const cashier = new Cashier(round.workers > 0 ? wallClock : clock, saved, units);
  const asServer = <T>(run: () => T): T => {
    cashier.skip();
    return cashier.chargeNow(serverMeter, run);
  };
  /** Sends one message; true if the server took it. */
  const send = (i: number, bytes: Uint8Array, keeps: boolean): boolean => {
    meters[i].sent += bytes.length;
    serverMeter.received += bytes.length;
    const receipt = asServer(() => server.receive(sites[i].identity.id, bytes));
    if (receipt.kind === "refused") {
      count(refused, receipt.error.reason);
      accused.add(sites[i].identity.id);
    }
    if (receipt.kind === "accepted" && keeps) kept += bytes.length;
    return receipt.kind === "accepted";
  };
  /** Ends a phase: what its steps took becomes CPU seconds, and the phase is booked. */
  const book = (phase: string, cpuSeconds: number, before: readonly number[]): void => {
    phases.set(phase, (phases.get(phase) ?? 0) + cpuSeconds);
    if (round.workers === 0) return;
    const all = [...meters, serverMeter];
    const busy = all.reduce((sum, meter, i) => sum + meter.cpuSeconds - before[i], 0);
    if (busy === 0) return;
    for (const [i, meter] of all.entries()) {
      meter.cpuSeconds = before[i] + (meter.cpuSeconds - before[i]) * (cpuSeconds / busy);
    }
  };
  const charged = (): number[] => [...meters, serverMeter].map(({ cpuSeconds }) => cpuSeconds);

  const [opened, nothing] = [clock(), charged()];
  const adverts = new Map<string, AdvertiseKeysMessage>();
  const secrets: Uint8Array[] = [];
  for (const i of sites.keys()) {
    if (i === 0) checkContext(contextOf(i)); // every site would check the same configuration
    cashier.skip();
    const { state, outbound } = cashier.chargeNow(meters[i], () => draftAdvert(contextOf(i)));
    secrets.push(concatBytes(state.encryptionSecret.reveal(), state.maskSecret.reveal()));
    adverts.set(sites[i].identity.id, state.advert);
    meters[i].memoryBytes = outbound.length + secrets[i].length;
    send(i, outbound, true);
    round.progress("advertise_keys", i + 1);
  }
  book("advertise_keys", clock() - opened, nothing);
  const sorted = [...adverts.values()].sort((a, b) => compareClientIds(a.clientId, b.clientId));
  const { sid } = openSession(
    provider,
    config,
    configHash,
    sorted.map((advert) => advertLeaf(provider, advert)),
  );
  const siteOf = new Map(sites.map(({ identity }, i) => [identity.id, i]));
  const ranked = sorted.map(({ clientId }) => siteOf.get(clientId)!);
  // Along the ring, so that the second end of a pair comes soon after the first and few secrets wait for it.
  const order = [...graphPermutation(provider, sid, sites.length)];
  const played = (index: number): [number, PlayedSite] => {
    const { identity, lie } = sites[ranked[index]];
    const seed = identity.privateKey.reveal();
    return [index, { site: ranked[index], id: identity.id, seed, lie, secrets: secrets[ranked[index]] }];
  };
  const startOf = (indices: readonly number[]): ActorStart => ({
    ...{ config, configHash, enrolled, adverts: sorted, units },
    sites: new Map(indices.map(played)),
  });
  const parts = split(order, Math.max(1, round.workers));
  const players: readonly SitePlayer[] = round.workers === 0
    ? [playHere(startOf(order), { metered, engine, clock, random: round.random })]
    : parts.map((part) => playInWorker(startOf(part), engine.name));
  for (const secret of secrets) secret.fill(0);

  /** What came back from a site, for the server. */
  const deliver = (phase: string, reply: SiteReply): void => {
    const i = ranked[reply.index];
    const meter = meters[i];
    meter.cpuSeconds += reply.seconds;
    meter.savedSeconds += reply.savedSeconds;
    meter.memoryBytes = Math.max(meter.memoryBytes, reply.memoryBytes);
    if (reply.gaveUp !== undefined) {
      absent.add(i);
      count(gaveUp, reply.gaveUp.reason);
      for (const id of reply.gaveUp.blamed) accused.add(id);
    }
    const uploads = phase === "masked_input";
    let taken = false;
    for (const bytes of reply.messages) taken = send(i, bytes, !uploads && reply.gaveUp === undefined);
    if (!uploads || !taken || reply.gaveUp !== undefined) return;
    const plain = plainVector(config, i);
    for (let k = 0; k < plain.length; k++) expected[k] += plain[k];
  };
  const taskSites = round.workers === 0 ? 1 : sitesOfTask(config.dimension);
  /** What it took to make each roster, and how long they were. */
  const rosters = { seconds: [] as number[], bytes: 0 };
  /** The server's message to a site; none for a roster like those that it has made often enough. */
  const messageTo = (i: number, place: number): { bytes: Uint8Array | undefined; length: number } => {
    if (server.phase === "share_keys" && place >= ROSTERS_READ) {
      serverMeter.savedSeconds += medianOf(rosters.seconds);
      return { bytes: undefined, length: rosters.bytes };
    }
    const before = serverMeter.cpuSeconds;
    const bytes = asServer(() => server.outboundFor(sites[i].identity.id));
    if (server.phase === "share_keys" && bytes !== undefined) {
      rosters.seconds.push(serverMeter.cpuSeconds - before);
      rosters.bytes = bytes.length;
    }
    return { bytes, length: bytes?.length ?? 0 };
  };
  /** All sites of a phase, every player along its part of the ring. */
  const play = async (phase: string): Promise<void> => {
    let done = 0;
    await Promise.all(players.map(async (player, p) => {
      let next = 0;
      const lane = async (): Promise<void> => {
        while (next < parts[p].length) {
          const tasks = [];
          const first = next;
          const indices = parts[p].slice(next, next += taskSites);
          for (const [at, index] of indices.entries()) {
            const i = ranked[index];
            round.progress(phase, ++done);
            if (absent.has(i)) continue;
            const { bytes, length } = messageTo(i, first + at);
            if (length === 0) continue;
            meters[i].received += length;
            serverMeter.sent += length;
            tasks.push({ index, bytes });
          }
          for (const reply of await player.step(tasks)) deliver(phase, reply);
        }
      };
      await Promise.all(Array.from({ length: round.workers === 0 ? 1 : TASKS_AHEAD }, lane));
    }));
  };

  try {
    for (;;) {
      const [before, at] = [clock(), charged()];
      const closing = server.phase;
      cashier.skip();
      await cashier.charge(serverMeter, () => server.close());
      book(closing, clock() - before, at);
      const { phase } = server;
      if (phase === "finished" || phase === "aborted") break;
      const [start, then] = [clock(), charged()];
      if (phase !== "share_keys") sites.forEach(({ dropsLate }, i) => dropsLate && absent.add(i));
      await play(phase);
      book(phase, clock() - start, then);
    }
  } finally {
    for (const player of players) player.close();
  }
  serverMeter.memoryBytes = 4 * config.dimension + kept;
  const sum = server.result?.sum;
  const mask = ringMask(config.ringBits);
  for (const id of server.error?.blamed ?? []) accused.add(id);
  return {
    error: server.error,
    survivors: server.result?.survivors ?? [],
    exact: sum !== undefined && sum.every((value, k) => value === (expected[k] & mask) >>> 0),
    blamed: server.result?.blamed ?? [],
    accused: [...accused].sort(),
    refused,
    gaveUp,
    clients: meters,
    server: serverMeter,
    phases,
  };
}

/** Pins the sites of one round. */
export function enroll(sites: readonly SimulatedSite[]): { enrolled: Enrolled; hash: Uint8Array } {
  const enrolled = new Map(sites.map(({ identity }) => [identity.id, identity.publicKey]));
  return { enrolled, hash: enrolledHash(enrolled) };
}
