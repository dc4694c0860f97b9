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
import { openPolicy } from "../federation/_plan.ts";
import { type Fault, FaultProxy, type Seen } from "./_fault_proxy.ts";
import { Kept } from "./_kept.ts";

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
  /** Sites that get a process of their own. */
  readonly alone?: readonly string[];
  /** Where processes kill themselves, one place for each of their starts; see `_kill_preload.ts`. */
  readonly kills: Readonly<Record<string, readonly string[]>>;
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

/**
 * A small federation of real processes under a supervisor: whatever dies by SIGKILL is started again, as systemd or
 * Kubernetes would. All requests pass a proxy that keeps them.
 */
export class ChaosFederation {
  readonly seen: Seen[] = [];
  readonly notebook: string;
  readonly aggregators: Map<string, Kept> = new Map();
  /** Processes of sites by name, `sites` for those that share one. */
  readonly sites: Map<string, Kept> = new Map();
  /** Called at each request, before it is passed on. */
  onSeen: (seen: Seen) => void | Promise<void> = () => {};
  /** Chooses what the network does to a request. */
  fault: (seen: Seen) => Fault = () => "none";
  /** Between sites and aggregators. */
  readonly proxy: FaultProxy;
  /** Called after a process has died by SIGKILL, before it is started again. */
  onKilled: (name: string) => Promise<void> = () => Promise.resolve();
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
      privacy: { epsilon: 8, delta: 1e-5, neighboring: "add_or_remove_one" },
      rounds: { steps, phaseDeadlineMs, joinDeadlineMs: 900_000, minimumSites: 3 },
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

  /** Starts the sites: one that is to be killed in a process of its own, the others together. */
  start(): void {
    const alone = SITES.filter((site) => this.options.alone?.includes(site));
    const together = SITES.filter((site) => !alone.includes(site));
    for (const group of [...alone.map((site) => [site]), together]) {
      const files = group.map((site) => `${this.options.dir}/sites/${site}/client.json`);
      const name = group.length === 1 ? group[0] : "sites";
      this.sites.set(name, this.#keep(name, ["tests/chaos/_site_process.ts", this.notebook, ...files]));
    }
  }

  /** A process by its name. */
  process(name: string): Kept {
    return (this.aggregators.get(name) ?? this.sites.get(name))!;
  }

  /** Opens the aggregator's store. */
  store(): ReturnType<typeof openStore> {
    return openStore(this.options.store ?? `${this.options.dir}/aggregator/${STORE_FILE}`);
  }

  /** Ends whatever still runs. */
  async close(): Promise<void> {
    for (const kept of [...this.aggregators.values(), ...this.sites.values()]) await kept.close();
    await this.proxy.close();
  }

  #keep(name: string, args: readonly string[]): Kept {
    return new Kept({
      name,
      args,
      kills: this.options.kills[name] ?? [],
      onLine: (line) => {
        const match = /"event":"listening","url":"([^"]+)"/.exec(line);
        if (match !== null) this.#targets.set(name, match[1]);
      },
      onKilled: async () => {
        this.#targets.delete(name);
        await this.onKilled(name);
        return !this.aggregators.has(name) || !(await this.#over());
      },
    });
  }

  /** True once the run has a result: whoever is started after that would begin a new one. */
  async #over(): Promise<boolean> {
    for (;;) {
      const store = await this.store().catch(() => undefined);
      if (store === undefined) continue; // the database is on its way up again
      try {
        const bytes = await store.get("run", "test");
        const state = bytes && JSON.parse(new TextDecoder().decode(bytes)).state;
        return state === "finished" || state === "failed";
      } catch {
        // as above
      } finally {
        await store.close();
      }
    }
  }

  /** Enrolls without the service: the book of a store that no aggregator uses yet. */
  async #enroll(site: string): Promise<void> {
    const { dir, data, store } = this.options;
    const state = `${dir}/sites/${site}`;
    const book = await EnrollmentBook.open(`${dir}/aggregator`, store);
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
    const config = { data: `${data}/${site}`, state, reconnectSeconds: 900, backend: "cpu" };
    await Deno.writeTextFile(`${state}/client.json`, JSON.stringify(config));
  }
}
