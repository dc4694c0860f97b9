import type { Cluster } from "../_postgres.ts";
import { ERROR_EXIT_STATUS } from "../../src/formats/errors.ts";
import { ChaosFederation, SITES } from "./_federation.ts";
import type { End } from "./_kept.ts";
import { PlanPages } from "./_plan_pages.ts";
import { freshDatabase, logsOf } from "./_run.ts";
import type { SmallDisk } from "./_small_disk.ts";
import { Standstill } from "./_standstill.ts";
import { AGGREGATORS, stormOf, type Topology } from "./_storm_schedule.ts";
import { Watch, type Watched } from "./_watch.ts";
import { smallDisks, Weather } from "./_weather.ts";

/** Steps of a plan: a federation that lives on takes one plan after the other. */
const STEPS = 30;
/** So long that a phase ends without a site soon after the network has lost it. */
const PHASE_MS = 12_000;
/** Longest wait for a step between two events, and between two looks at whether it has come, milliseconds. */
const STEP_MS = 20_000;
const LOOK_MS = 50;
/** Between the end of a process by itself and its next start, as a service manager waits, milliseconds. */
const RESTART_MS = 1_000;
/** Steps that have to end once the storm is over. */
const CALM_STEPS = 2;

/** A plan may end so, where too many steps in a row had no sum: sites hear of it, and the next plan begins. */
const ENDS_OF_PLAN: ReadonlySet<number> = new Set(
  (["BelowThreshold", "ProtocolAbort", "NetworkError"] as const).map((code) => ERROR_EXIT_STATUS[code]),
);
const { StoreError, LedgerError } = ERROR_EXIT_STATUS;
/** Where a site comes in, also to the next plan. */
const JOIN = "/v1/join";

/** Where and how long a storm rages. */
export interface StormPlace {
  /** What everything is derived from. */
  readonly seed: number;
  /** How the federation keeps its state. */
  readonly topology: Topology;
  /** Length, minutes. */
  readonly minutes: number;
  /** Longest time between two events, milliseconds. */
  readonly paceMs: number;
  /** A folder for everything; made and removed. */
  readonly dir: string;
  /** Data, see `prepareData`. */
  readonly data: string;
  /** A database server, for the topology that needs one. */
  readonly cluster: Cluster | undefined;
  /** Receives each event as it has happened and all laws were checked after it. */
  readonly say: (line: Readonly<Record<string, unknown>>) => void;
}

/** What a federation has lived through. */
export interface StormOutcome extends Watched {
  /** Events by kind; `heal` is none. */
  readonly events: Readonly<Record<string, number>>;
  /** Deaths by SIGKILL, the database server's too. */
  readonly deaths: number;
  /** Processes that ended by themselves, because of a full disk or a database that was away, and came again. */
  readonly restarts: number;
  /** Plans that came to their end. */
  readonly finished: number;
  /** Plans that ended cleanly before it. */
  readonly failed: number;
}

/** Lets a storm rage over a federation and checks its laws after each event. @throws with the logs, where one is broken */
export async function runStorm(place: StormPlace): Promise<StormOutcome> {
  const { topology, cluster, dir, data } = place;
  const disks = await smallDisks(dir);
  const federation = await ChaosFederation.create({
    dir,
    data,
    steps: STEPS,
    phaseDeadlineMs: PHASE_MS,
    store: topology === "postgres" ? await freshDatabase(cluster!) : undefined,
    aggregators: AGGREGATORS[topology],
    alone: SITES,
    kills: {},
  });
  const storm = new Storm(place, federation, disks);
  try {
    return await storm.rage();
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${logsOf(federation)}`, {
      cause: error,
    });
  } finally {
    await storm.end();
    for (const disk of disks.values()) await disk.unmount();
    await Deno.remove(dir, { recursive: true });
  }
}

class Storm {
  readonly #watch: Watch;
  readonly #weather: Weather;
  readonly #standstill = new Standstill();
  readonly #broken = Promise.withResolvers<never>();
  readonly #events: Record<string, number> = {};
  #restarts = 0;
  #crashes = 0;
  #finished = 0;
  #failed = 0;
  /** Steps that have ended, by what aggregators say. */
  #steps = 0;
  #over = false;
  readonly #pages: PlanPages;
  /** One check at a time. */
  #checking: Promise<void> = Promise.resolve();

  constructor(
    private readonly place: StormPlace,
    private readonly federation: ChaosFederation,
    disks: ReadonlyMap<string, SmallDisk>,
  ) {
    this.#watch = new Watch(federation);
    this.#weather = new Weather(federation, disks, place.cluster);
    this.#broken.promise.catch(() => {}); // somebody may not be waiting for it yet
    this.#pages = new PlanPages(() => federation.over(), async ({ finished }) => {
      await this.#inTurn(() => this.#watch.planOver(finished));
      if (finished) this.#finished++;
      else this.#failed++;
    });
    const { hold } = federation;
    federation.hold = async (seen) => {
      await hold(seen);
      if (seen.path === JOIN) await this.#pages.opened();
    };
    federation.onLine = (name, line) => {
      if (/"kind":"(joined|accepted|step|aborted)"|"stage":"(join|accept|step)"/.test(line)) {
        this.#standstill.moved();
      }
      if (federation.aggregators.has(name) && line.includes('"stage":"step"')) this.#steps++;
    };
    federation.again = async (name, end) => {
      try {
        return await this.#again(name, end);
      } catch (error) {
        this.#broken.reject(error);
        return false;
      }
    };
  }

  async rage(): Promise<StormOutcome> {
    const { seed, topology, minutes, paceMs, say } = this.place;
    const started = performance.now();
    const seconds = () => Math.round((performance.now() - started) / 1000);
    this.federation.start();
    for (const { event, afterMs, afterStep } of stormOf(seed, topology, paceMs)) {
      await this.#unlessBroken(later(afterMs));
      if (afterStep) await this.#unlessBroken(this.#moreSteps(1, STEP_MS));
      if (performance.now() - started > minutes * 60_000) break;
      const before = this.#steps;
      const happened = await this.#unlessBroken(this.#weather.happen(event));
      if (event.kind === "kill" && event.victim === "postgres") this.#crashes++;
      await this.#unlessBroken(this.#check());
      if (happened) this.#events[event.kind] = (this.#events[event.kind] ?? 0) + 1;
      say({ at: seconds(), ...event, ...(happened ? {} : { left: "out" }), steps: before });
    }
    await this.#weather.clear();
    say({ at: seconds(), kind: "calm" });
    await this.#unlessBroken(this.#moreSteps(CALM_STEPS, Infinity));
    await this.#unlessBroken(this.#check());
    this.#over = true;
    const deaths = [...this.federation.parties.values()].reduce(
      (sum, party) => sum + party.deaths,
      this.#crashes,
    );
    return {
      ...this.#watch.watched,
      events: this.#events,
      deaths,
      restarts: this.#restarts,
      finished: this.#finished,
      failed: this.#failed,
    };
  }

  async end(): Promise<void> {
    this.#over = true;
    this.#pages.release();
    this.#standstill.stop();
    await this.#weather.clear();
    await this.federation.close();
    await this.#watch.close();
  }

  /** What a party does after one of its lives. @throws where it has no reason to end */
  async #again(name: string, end: End): Promise<boolean> {
    if (this.#over) return false;
    if (this.federation.aggregators.has(name)) return await this.#aggregatorAgain(name, end);
    if (!end.killed && end.code !== 0) {
      const full = [StoreError, LedgerError].some((code) => code === end.code) && this.#weather.wasFull(name);
      if (!full && !ENDS_OF_PLAN.has(end.code)) throw new Error(`${name} ended with exit code ${end.code}`);
      if (full) this.#restarts++;
      await later(RESTART_MS);
    }
    return true;
  }

  async #aggregatorAgain(name: string, end: End): Promise<boolean> {
    const away = !end.killed && end.code === StoreError;
    if (!end.killed && !away && end.code !== 0 && !ENDS_OF_PLAN.has(end.code)) {
      throw new Error(`${name} ended with exit code ${end.code}`);
    }
    await this.#pages.turnIfOver();
    if (away) {
      this.#restarts++;
      await later(RESTART_MS);
    }
    return !this.#over;
  }

  #check(): Promise<void> {
    return this.#inTurn(() => this.#watch.check());
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#checking.then(work);
    this.#checking = turn.catch(() => {});
    return turn;
  }

  /** Resolves when so many more steps have ended, or at the time-out. */
  async #moreSteps(count: number, timeoutMs: number): Promise<void> {
    const wanted = this.#steps + count;
    for (let waited = 0; this.#steps < wanted && waited < timeoutMs && !this.#over; waited += LOOK_MS) {
      await later(LOOK_MS);
    }
  }

  #unlessBroken<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#broken.promise, this.#standstill.reached]);
  }
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
