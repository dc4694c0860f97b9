import type { RandomBytes } from "../formats/random_bytes.ts";
import { type CommonKnowledge, PackedSite } from "./_simulated_site.ts";
import { Cashier, type CpuClock, type Meter, newMeter, type UnitCosts } from "./_simulated_cost.ts";
import { type Lie, lyingProvider, tamper } from "./_simulated_lies.ts";
import type { MeteredProvider } from "./_metered_provider.ts";
import type { Blame } from "./blame.ts";
import { checkContext } from "./_client_checks.ts";
import { draftAdvert } from "./client_advertise_keys.ts";
import { maskInput } from "./client_masked_input.ts";
import { receiveShares } from "./client_receive_shares.ts";
import { shareKeys } from "./client_share_keys.ts";
import { signSurvivors } from "./client_sign_survivors.ts";
import type { ClientContext } from "./client_state.ts";
import type { StepAbort } from "./client_step.ts";
import { unmask } from "./client_unmask.ts";
import { decodeMessage, encodeMessage } from "./codec.ts";
import { SecAggError } from "./errors.ts";
import { graphPermutation } from "./graph.ts";
import { type Enrolled, enrolledHash, type Identity } from "./identity.ts";
import type { MaskEngine } from "./mask_engine.ts";
import type { AdvertiseKeysMessage, ServerMessage } from "./messages.ts";
import { IndexSet } from "./index_set.ts";
import type { RoundConfig } from "./round_config.ts";
import { roundConfigHash } from "./round_config_codec.ts";
import { SecAggServer } from "./server.ts";
import { advertLeaf, openSession } from "./session.ts";
import { transcriptHash } from "./transcript.ts";

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
  /** The plain vector of a site, as residues; a fresh array. */
  readonly vector: (site: number) => Uint32Array;
  readonly metered: MeteredProvider;
  readonly units: UnitCosts;
  readonly clock: CpuClock;
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

/**
 * Runs one round with all parties in this process. The sites go through the real phases of the protocol; between two
 * phases each is packed to its bare secrets, and no more than one vector besides the server's sum exists at a time.
 */
export async function runSimulatedRound(round: SimulatedRound): Promise<SimulatedOutcome> {
  const { config, enrolled, sites, metered, engine, clock } = round;
  const { provider, saved } = metered;
  const server = new SecAggServer({ config, enrolled, provider, engine });
  const configHash = roundConfigHash(config, provider);
  const meters = sites.map(newMeter);
  const serverMeter = newMeter();
  const packed = sites.map(() => new PackedSite());
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
    provider: sites[i].lie === "wrong_commitment" ? lyingProvider(provider) : provider,
    random: round.random,
  });
  const asServer = <T>(run: () => T | Promise<T>): Promise<T> => cashier.charge(serverMeter, run);
  const asClient = <T>(i: number, run: () => T | Promise<T>): Promise<T> => cashier.charge(meters[i], run);
  const remember = (i: number, atHand: number): void => {
    meters[i].memoryBytes = Math.max(meters[i].memoryBytes, atHand + packed[i].bytes);
  };
  /** Sends one message; true if the server took it. */
  const send = async (i: number, bytes: Uint8Array, keeps: boolean): Promise<boolean> => {
    meters[i].sent += bytes.length;
    serverMeter.received += bytes.length;
    const receipt = await asServer(() => server.receive(sites[i].identity.id, bytes));
    if (receipt.kind === "refused") {
      count(refused, receipt.error.reason);
      accused.add(sites[i].identity.id);
    }
    if (receipt.kind === "accepted" && keeps) kept += bytes.length;
    return receipt.kind === "accepted";
  };
  const giveUp = async (i: number, { error }: StepAbort): Promise<void> => {
    absent.add(i);
    packed[i].wipe();
    count(gaveUp, error.reason);
    for (const id of error.blamed) accused.add(id);
    await send(i, encodeMessage({ type: "abort", code: error.code, reason: error.reason }), false);
  };

  const cashier = new Cashier(clock, saved, round.units);
  const opened = clock();
  const adverts = new Map<string, AdvertiseKeysMessage>();
  for (const i of sites.keys()) {
    if (i === 0) checkContext(contextOf(i)); // every site would check the same configuration
    const step = await asClient(i, () => draftAdvert(contextOf(i)));
    packed[i].packAdvertised(step.state);
    adverts.set(sites[i].identity.id, step.state.advert);
    remember(i, step.outbound.length);
    await send(i, step.outbound, true);
    round.progress("advertise_keys", i + 1);
  }
  phases.set("advertise_keys", clock() - opened);
  const sorted = [...adverts.values()].sort((a, b) => a.clientId < b.clientId ? -1 : 1);
  const leaves = sorted.map((advert) => advertLeaf(provider, advert));
  const common: CommonKnowledge = {
    session: openSession(provider, config, configHash, leaves),
    adverts: sorted,
  };
  const siteOf = new Map(sites.map(({ identity }, i) => [identity.id, i]));
  const ranked = sorted.map(({ clientId }) => siteOf.get(clientId)!);
  // Along the ring, so that the second end of a pair comes soon after the first and few secrets wait for it.
  const order = [...graphPermutation(provider, common.session.sid, sites.length)];
  let shared = IndexSet.of(sites.length, []);

  /** What site `index` answers; undefined if it gives up. */
  const answer = async (index: number, message: ServerMessage, inbound: number): Promise<void> => {
    const i = ranked[index];
    const context = contextOf(i);
    const { lie, identity } = sites[i];
    switch (message.type) {
      case "roster": {
        const step = await asClient(
          i,
          () => shareKeys(packed[i].advertised(context, sorted[index]), message),
        );
        if (step.kind === "abort") return giveUp(i, step);
        packed[i].packShared(step.state);
        remember(i, inbound + step.outbound.length);
        await send(i, step.outbound, true);
        return;
      }
      case "deliver_shares": {
        shared = message.shared;
        const step = await asClient(
          i,
          () => receiveShares(packed[i].shared(context, index, common), message),
        );
        if (step.kind === "abort") return giveUp(i, step);
        const vector = round.vector(i);
        const plain = vector.slice();
        cashier.skip();
        const masked = await asClient(i, () => maskInput(step.state, vector, engine));
        if (masked.kind === "abort") return giveUp(i, masked);
        packed[i].packFrozen(masked.state);
        let taken = false;
        const upload = masked.upload[Symbol.iterator]();
        for (;;) {
          const next = await asClient(i, () => upload.next());
          if (next.done) break;
          remember(i, 4 * config.dimension + next.value.length);
          taken = await send(i, tamper(lie, next.value, identity, configHash), false);
        }
        if (taken) { for (let k = 0; k < plain.length; k++) expected[k] += plain[k]; }
        cashier.skip();
        return;
      }
      case "survivors": {
        const step = await asClient(
          i,
          () => signSurvivors(packed[i].survivor(context, index, common, shared), message),
        );
        if (step.kind === "abort") return giveUp(i, step);
        packed[i].signed = step.state.signed;
        remember(i, inbound);
        await send(i, step.outbound, true);
        return;
      }
      case "unmask_request": {
        const step = await asClient(
          i,
          () => unmask(packed[i].signer(context, index, common, shared), message),
        );
        packed[i].wipe();
        if (step.kind === "abort") return giveUp(i, step);
        remember(i, inbound + step.outbound.length);
        const transcript = transcriptHash(provider, { ...message, shared });
        await send(i, tamper(lie, step.outbound, identity, transcript), true);
        return;
      }
      case "abort":
        return;
    }
  };

  for (;;) {
    const before = clock();
    const closing = server.phase;
    await asServer(() => server.close());
    phases.set(closing, (phases.get(closing) ?? 0) + clock() - before);
    const { phase } = server;
    if (phase === "finished" || phase === "aborted") break;
    const start = clock();
    if (phase !== "share_keys") sites.forEach(({ dropsLate }, i) => dropsLate && absent.add(i));
    let done = 0;
    for (const index of order) {
      const i = ranked[index];
      round.progress(phase, ++done);
      if (absent.has(i)) continue;
      const bytes = await asServer(() => server.outboundFor(sites[i].identity.id));
      if (bytes === undefined) continue;
      meters[i].received += bytes.length;
      serverMeter.sent += bytes.length;
      await answer(index, await asClient(i, () => decodeMessage(bytes) as ServerMessage), bytes.length);
    }
    phases.set(phase, clock() - start);
  }
  serverMeter.memoryBytes = 4 * config.dimension + kept;
  const sum = server.result?.sum;
  const mask = 0xffffffff >>> (32 - config.ringBits);
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
