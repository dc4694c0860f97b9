import { cryptoRandomBytes } from "../formats/random_bytes.ts";
import { FedKimError } from "../formats/errors.ts";
import { LIES } from "./_simulated_lies.ts";
import { type CpuClock, measureUnits, type Meter } from "./_simulated_cost.ts";
import { meteredProvider } from "./_metered_provider.ts";
import { enroll, runSimulatedRound, type SimulatedOutcome, type SimulatedSite } from "./_simulated_round.ts";
import { type CostModel, costModel } from "./cost_model.ts";
import { extrapolate, type Extrapolation } from "./extrapolation.ts";
import { graphParams } from "./graph_params.ts";
import { generateIdentity } from "./identity.ts";
import { defaultEngine } from "./mask_engine.ts";
import { nativeProvider } from "./native_provider.ts";
import { makeRoundConfig, type Profile } from "./round_config.ts";

/** What to simulate. */
export interface SimulationOptions {
  /** Number of sites, 3 to 10,000. */
  readonly sites: number;
  /** Coordinates of a vector. */
  readonly dimension: number;
  /** Honest sites that disappear in every round after they shared their keys. */
  readonly drop: number;
  /** Rounds. */
  readonly rounds: number;
  /** Threat model. */
  readonly profile: Profile;
  /** Sites that lie: with shares, with the length of their vector, with their commitment, in turn. */
  readonly byzantine: number;
  /** Picks the sites that drop out: an integer from 0 to below n. Not used for any secret. */
  readonly pick: (n: number) => number;
  /** CPU seconds of this process so far, all threads. */
  readonly clock: CpuClock;
  /** Workers that play the sites, at most one for every three sites; by default none, and all happens in this thread. */
  readonly workers?: number;
  /** Called as the sites of a phase are through with it. */
  readonly progress?: (round: number, phase: string, done: number, total: number) => void;
}

/** Median and largest of a quantity over all sites that took part. */
export interface Spread {
  /** Median. */
  readonly median: number;
  /** Largest. */
  readonly max: number;
}

/** What the clients and the server of a round cost. */
export interface MeasuredCost {
  /** Over all sites that survived, or over all if the round was aborted. */
  readonly client: {
    /** CPU seconds. */
    readonly cpuSeconds: Spread;
    /** Bytes sent and received. */
    readonly bytes: Spread;
    /** State, vector and messages held at a time, in bytes. */
    readonly memoryBytes: Spread;
  };
  /** The server. */
  readonly server: {
    /** CPU seconds. */
    readonly cpuSeconds: number;
    /** Bytes sent and received. */
    readonly bytes: number;
    /** Sum and kept messages, in bytes. */
    readonly memoryBytes: number;
  };
}

/** One simulated round. */
export interface SimulatedRoundReport {
  /** Number of the round, from 1. */
  readonly round: number;
  /** Whether a sum came out. */
  readonly outcome: "finished" | "aborted";
  /** Error code of an aborted round. */
  readonly code?: string;
  /** Stable reason of an aborted round. */
  readonly reason?: string;
  /** Sites that were invited. */
  readonly sites: number;
  /** Sites whose vectors are in the sum. */
  readonly survivors: number;
  /** True if every coordinate of the sum is right; false in an aborted round. */
  readonly exact: boolean;
  /** Degree of the graph. */
  readonly degree: number;
  /** Sharing threshold. */
  readonly threshold: number;
  /** Smallest number of survivors. */
  readonly nMin: number;
  /** Sites that were shown to lie, or suspected; they are not invited again. */
  readonly blamed: readonly string[];
  /** Messages that the server refused, by reason. */
  readonly refused: Readonly<Record<string, number>>;
  /** Sites that gave up, by reason. */
  readonly gaveUp: Readonly<Record<string, number>>;
  /** CPU seconds of every phase, all parties. */
  readonly phases: Readonly<Record<string, number>>;
  /** Measured cost of a party. */
  readonly measured: MeasuredCost;
  /** What the cost model says. */
  readonly model: CostModel;
  /** What a finished round lets expect for a million sites; absent for an aborted one. */
  readonly million?: Extrapolation;
}

function refuse(found: string, needed: string): never {
  throw new FedKimError("ConfigError", "This cohort cannot be simulated.", { found, needed });
}

function checkOptions(options: SimulationOptions & { readonly workers: number }): void {
  const { sites, dimension, drop, rounds, byzantine, workers } = options;
  const within = (name: string, value: number, low: number, high: number): void => {
    if (!Number.isSafeInteger(value) || value < low || value > high) {
      refuse(`${name} = ${value}`, `an integer from ${low} to ${high}`);
    }
  };
  within("sites", sites, 3, 10_000);
  within("dimension", dimension, 1, 100_000_000);
  within("rounds", rounds, 1, 1_000);
  within("byzantine", byzantine, 0, sites - 1);
  within("drop", drop, 0, sites - byzantine - 1);
  within("workers", workers, 0, Math.floor(sites / 3));
}

const spread = (values: readonly number[]): Spread => {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: sorted[sorted.length >>> 1], max: sorted[sorted.length - 1] };
};

function measuredCost(outcome: SimulatedOutcome, ids: readonly string[]): MeasuredCost {
  const survivors = new Set(outcome.survivors);
  const clients = outcome.clients.filter((_, i) => survivors.size === 0 || survivors.has(ids[i]));
  const over = (quantity: (meter: Meter) => number): Spread => spread(clients.map(quantity));
  const { server } = outcome;
  return {
    client: {
      cpuSeconds: over((meter) => meter.cpuSeconds + meter.savedSeconds),
      bytes: over((meter) => meter.sent + meter.received),
      memoryBytes: over((meter) => meter.memoryBytes),
    },
    server: {
      cpuSeconds: server.cpuSeconds + server.savedSeconds,
      bytes: server.sent + server.received,
      memoryBytes: server.memoryBytes,
    },
  };
}

/** Which of the sites disappear: `drop` different ones among the honest. */
function pickDrops(
  sites: readonly Pick<SimulatedSite, "lie">[],
  drop: number,
  pick: (n: number) => number,
): Set<number> {
  const honest = [...sites.keys()].filter((i) => sites[i].lie === undefined);
  for (let k = 0; k < Math.min(drop, honest.length); k++) {
    const other = k + pick(honest.length - k);
    [honest[k], honest[other]] = [honest[other], honest[k]];
  }
  return new Set(honest.slice(0, drop));
}

/** Size of the cohort that every finished round is extrapolated to. */
const MILLION = 1_000_000;

/** The median client and the server. */
function medians({ client, server }: MeasuredCost): CostModel {
  const { cpuSeconds, bytes, memoryBytes } = client;
  return {
    client: { cpuSeconds: cpuSeconds.median, bytes: bytes.median, memoryBytes: memoryBytes.median },
    server,
  };
}

const asRecord = (map: ReadonlyMap<string, number>): Readonly<Record<string, number>> =>
  Object.fromEntries(map);

/**
 * Runs whole rounds with all parties in one process and real cryptography: late dropouts, lying sites, the exact sum
 * checked, and every party's cost beside the {@link costModel}. What two ends of a pair would both compute, and a
 * signature that many sites verify, is computed once and charged to each; so is the roster, which says the same to all,
 * after a hundred sites of a thread have read it in full. Gives one report per round; a site that was named as a liar is
 * left out of the next round.
 * @throws FedKimError ConfigError for sizes that cannot be simulated; InternalError if a sum is wrong
 */
export async function* simulate(options: SimulationOptions): AsyncGenerator<SimulatedRoundReport> {
  const { dimension, drop, rounds, profile, byzantine, clock, workers = 0 } = options;
  checkOptions({ ...options, workers });
  const units = measureUnits(nativeProvider, clock);
  const engine = defaultEngine(nativeProvider);
  const cohort = Array.from({ length: options.sites }, (_, i) => ({
    identity: generateIdentity(`site-${String(i).padStart(5, "0")}`),
    lie: i < byzantine ? LIES[i % LIES.length] : undefined,
  }));
  const expelled = new Set<string>();
  for (let round = 1; round <= rounds; round++) {
    const invited = cohort.filter(({ identity }) => !expelled.has(identity.id));
    const n = invited.length;
    if (n < 3) refuse(`${n} sites left after ${expelled.size} were expelled`, "at least 3");
    const drops = pickDrops(invited, drop, options.pick);
    const sites = invited.map((site, i) => ({ ...site, dropsLate: drops.has(i) }));
    const { enrolled, hash } = enroll(sites);
    const params = graphParams({ n, profile, dimension });
    const config = makeRoundConfig({
      taskId: "simulation",
      roundId: round,
      profile,
      nMax: n,
      ...params,
      enrolledHash: hash,
      modelHash: nativeProvider.sha256(new Uint8Array(1)),
      planHash: nativeProvider.sha256(new Uint8Array(2)),
      dimension,
      coordinateBound: Math.min(0x80000, Math.floor((2 ** 31 - 1) / n)),
    });
    const outcome = await runSimulatedRound({
      config,
      enrolled,
      sites,
      metered: meteredProvider(nativeProvider),
      units,
      clock,
      workers,
      engine,
      random: cryptoRandomBytes,
      progress: (phase, done) => options.progress?.(round, phase, done, n),
    });
    const blamed = [
      ...new Set([
        ...outcome.accused,
        ...outcome.blamed.filter(({ role }) => role !== "either").map((b) => b.clientId),
      ]),
    ].sort();
    for (const id of blamed) expelled.add(id);
    const { error } = outcome;
    if (error === undefined && !outcome.exact) {
      throw new FedKimError("InternalError", "A simulated round gave a wrong sum.", {
        found: `round ${round} of ${n} sites`,
        needed: "the exact sum of the survivors' vectors",
      });
    }
    const degree = params.graph.kind === "ring" ? params.graph.degree : n - 1;
    const measured = measuredCost(outcome, sites.map(({ identity }) => identity.id));
    const model = costModel(config, { n, degree, lateDrops: drops.size });
    const figures = { config, measured: medians(measured), model, dropped: drops.size / n };
    yield {
      round,
      outcome: error === undefined ? "finished" : "aborted",
      ...(error === undefined ? {} : { code: error.code, reason: error.reason }),
      sites: n,
      survivors: outcome.survivors.length,
      exact: outcome.exact,
      degree,
      threshold: config.threshold,
      nMin: config.nMin,
      blamed,
      refused: asRecord(outcome.refused),
      gaveUp: asRecord(outcome.gaveUp),
      phases: asRecord(outcome.phases),
      measured,
      model,
      ...(error === undefined ? { million: extrapolate(MILLION, figures) } : {}),
    };
  }
}
