import {
  acceptInvite,
  encodeInvite,
  EnrollmentBook,
  openStore,
  readIdentity,
  SITE_FILES,
  STORE_FILE,
  writePolicy,
} from "../../src/federation/mod.ts";
import { synthesizeFederation } from "../../src/local/synthesize/mod.ts";
import { ERROR_EXIT_STATUS } from "../../src/formats/errors.ts";
import { openPolicy } from "../federation/_plan.ts";
import { type Fault, FaultProxy, type Seen } from "./_fault_proxy.ts";
import { type End, Kept } from "./_kept.ts";
import type { Party } from "./_party.ts";
import { patiently } from "./_patiently.ts";
import { Resident } from "./_resident.ts";

export const SITES = ["site-midwest", "site-south", "site-west", "site-northeast"] as const;

/** The only set of the small federation, and its only task. */
const SET = "cxr";
const PATIENTS = { icu: 1, cxr: 12, ecg: 1, vqa: 1 };

/** How a federation is made. */
export interface ChaosOptions {
  /** A folder for everything of it; made. */
  readonly dir: string;
  /** Its data, see {@link prepareData}. */
  readonly data: string;
  /** Aggregation steps. */
  readonly steps: number;
  /** Longest wait for a phase, milliseconds. */
  readonly phaseDeadlineMs: number;
  /** Address of an empty PostgreSQL database; SQLite without. */
  readonly store?: string | undefined;
  /** Names of the aggregators, more than one only with `store`. */
  readonly aggregators: readonly string[];
  /** Sites that get a process of their own; the others live in this one. */
  readonly alone?: readonly string[];
  /** Where processes kill themselves, one place for each of their starts; see `_kill_preload.ts`. */
  readonly kills: Readonly<Record<string, readonly string[]>>;
}

/** How a plan ended. */
export interface PlanEnd {
  readonly planHash: string;
  /** True where it came to its last step. */
  readonly finished: boolean;
}

/** Writes the data of small federations, to be shared by many of them. */
export async function prepareData(dir: string): Promise<string> {
  await synthesizeFederation(dir, {
    seed: 7,
    patients: { site: PATIENTS, public: PATIENTS, test: PATIENTS },
  });
  for (const part of [...SITES, "public"]) {
    for await (const { name } of Deno.readDir(`${dir}/${part}`)) {
      if (name !== SET) await Deno.remove(`${dir}/${part}/${name}`, { recursive: true });
    }
  }
  return dir;
}

/** A promise that costs little to account for: the accounting of a small epsilon has a short grid. */
const PROMISE = { epsilon: 0.5, delta: 1e-7, neighboring: "add_or_remove_one" } as const;

/**
 * A small federation of real processes under a supervisor: whatever dies by SIGKILL is started again, as systemd or
 * Kubernetes would. All requests pass a proxy that keeps them.
 */
export class ChaosFederation {
  readonly seen: Seen[] = [];
  readonly notebook: string;
  readonly aggregators: Map<string, Kept> = new Map();
  /** Sites with a process of their own by name, and `sites` for those that live in this one. */
  readonly sites: Map<string, Party> = new Map();
  /** Called at each request, before it is passed on. */
  onSeen: (seen: Seen) => void | Promise<void> = () => {};
  /** Chooses what the network does to a request. */
  fault: (seen: Seen) => Fault = () => "none";
  /** Between sites and aggregators. */
  readonly proxy: FaultProxy;
  /** Holds up a request, and then its answer, while the network passes nothing on. */
  hold: (seen: Seen) => Promise<void> = () => Promise.resolve();
  /** Receives each line that a party writes. */
  onLine: (name: string, line: string) => void = () => {};
  /** Called after a process has died by SIGKILL, before it is started again. */
  onKilled: (name: string) => Promise<void> = () => Promise.resolve();
  /** Whether a party is started again after a life of it has ended. */
  again: (name: string, end: End) => Promise<boolean> = (name, end) => this.#againUntilOver(name, end);
  readonly #targets = new Map<string, string>();
  #turn = 0;

  private constructor(readonly options: ChaosOptions) {
    this.notebook = `${options.dir}/notebook`;
    this.proxy = new FaultProxy({
      // Of several aggregators each gets its turn, whoever leads.
      target: () => [...this.#targets.values()][this.#turn++ % this.#targets.size],
      onSeen: async (seen) => {
        this.seen.push(seen);
        await this.onSeen(seen);
      },
      choose: (seen) => this.fault(seen),
      hold: (seen) => this.hold(seen),
    });
  }

  /** Starts aggregators and enrolls the sites; nothing trains before `start`. */
  static async create(options: ChaosOptions): Promise<ChaosFederation> {
    const federation = new ChaosFederation(options);
    const { dir, data, steps, phaseDeadlineMs, store } = options;
    await Deno.mkdir(federation.notebook, { recursive: true });
    const config = {
      federation: "test",
      listen: { hostname: "127.0.0.1", port: 0 },
      state: `${dir}/aggregator`,
      run: `${dir}/run`,
      sites: SITES,
      data: { public: `${data}/public` },
      model: { dEnc: 8, hidden: 8 },
      privacy: PROMISE,
      rounds: { steps, phaseDeadlineMs, joinDeadlineMs: 3_600_000, minimumSites: 3 },
      injection: { epochs: 1 },
      backend: "wasm",
      ...(store === undefined ? {} : { store }),
    };
    await Deno.writeTextFile(`${dir}/aggregator.json`, JSON.stringify(config));
    for (const site of SITES) await federation.#enroll(site);
    for (const name of options.aggregators) {
      const args = ["cli/main.ts", "aggregator", "--config", `${dir}/aggregator.json`, "--json"];
      federation.aggregators.set(name, federation.#keep(name, args));
    }
    return federation;
  }

  /** Starts the sites. */
  start(): void {
    const { dir, alone = [] } = this.options;
    const config = (site: string) => `${dir}/sites/${site}/client.json`;
    for (const site of alone) {
      this.sites.set(site, this.#keep(site, ["tests/chaos/_site_process.ts", this.notebook, config(site)]));
    }
    const resident = SITES.filter((site) => !alone.includes(site)).map(config);
    if (resident.length === 0) return;
    this.sites.set("sites", new Resident(this.notebook, resident, (line) => this.onLine("sites", line)));
  }

  /** Everybody by name. */
  get parties(): ReadonlyMap<string, Party> {
    return new Map([...this.aggregators, ...this.sites]);
  }

  /** Ends the present life of a process as a power cut would. */
  async kill(name: string): Promise<void> {
    const party = this.parties.get(name);
    if (!(party instanceof Kept)) throw new Error(`${name} has no process of its own`);
    await party.kill();
  }

  /** Opens the aggregator's store. */
  store(): ReturnType<typeof openStore> {
    return openStore(this.options.store ?? `${this.options.dir}/aggregator/${STORE_FILE}`);
  }

  /** Ends whatever still runs. */
  async close(): Promise<void> {
    await Promise.all([...this.parties.values()].map((party) => party.close()));
    await this.proxy.close();
  }

  /** How the newest plan that has a result ended; whoever is started after that begins a new one. */
  async over(): Promise<PlanEnd | undefined> {
    for (;;) {
      const store = await this.store().catch(() => undefined);
      try {
        const bytes = await store?.get("run", "test");
        if (store !== undefined) return bytes && endOf(JSON.parse(new TextDecoder().decode(bytes)));
      } catch {
        // as below
      } finally {
        await store?.close();
      }
      await new Promise((resolve) => setTimeout(resolve, 100)); // the database is on its way up again
    }
  }

  #keep(name: string, args: readonly string[]): Kept {
    return new Kept({
      args,
      kills: this.options.kills[name] ?? [],
      onLine: (line) => {
        const match = /"event":"listening","url":"([^"]+)"/.exec(line);
        if (match !== null) this.#targets.set(name, match[1]);
        this.onLine(name, line);
      },
      again: async (end) => {
        this.#targets.delete(name);
        return await this.again(name, end);
      },
    });
  }

  /** After a kill, or where the database does not answer; an aggregator only until the run has a result. */
  async #againUntilOver(name: string, end: End): Promise<boolean> {
    if (!end.killed && end.code !== ERROR_EXIT_STATUS.StoreError) return false;
    await this.onKilled(name);
    return !this.aggregators.has(name) || await this.over() === undefined;
  }

  /** Enrolls without the service: the book of a store that no aggregator uses yet. */
  async #enroll(site: string): Promise<void> {
    const { dir, data, store } = this.options;
    const state = `${dir}/sites/${site}`;
    const book = await patiently(() => EnrollmentBook.open(`${dir}/aggregator`, store));
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      const { site, secret, publicKey, signature } = await request.json();
      await book.enroll(site, secret, publicKey, signature);
      return Response.json({ enrolled: site });
    });
    await acceptInvite(state, encodeInvite(await book.invite(site, `http://127.0.0.1:${server.addr.port}`)));
    await server.shutdown();
    await book.close();
    const pinned = `${state}/${SITE_FILES.aggregator}`;
    await Deno.writeTextFile(
      pinned,
      JSON.stringify({ ...JSON.parse(await Deno.readTextFile(pinned)), url: this.proxy.url }),
    );
    const identity = await readIdentity(`${state}/${SITE_FILES.identity}`);
    await writePolicy(`${state}/${SITE_FILES.policy}`, openPolicy(site), identity);
    const config = { data: `${data}/${site}`, state, reconnectSeconds: 3600, backend: "cpu" };
    await Deno.writeTextFile(`${state}/client.json`, JSON.stringify(config));
  }
}

function endOf({ planHash, state }: { planHash: string; state: string }): PlanEnd | undefined {
  return state === "finished" || state === "failed"
    ? { planHash, finished: state === "finished" }
    : undefined;
}
