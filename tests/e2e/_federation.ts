import { root } from "../_fedkim.ts";
import {
  acceptInvite,
  encodeInvite,
  EnrollmentBook,
  readIdentity,
  SITE_FILES,
  writePolicy,
} from "../../src/federation/mod.ts";
import { synthesizeFederation } from "../../src/local/synthesize/mod.ts";
import { EMBEDDED_MODEL_FOLDER } from "../../src/foundation/mod.ts";
import { openPolicy } from "../federation/_plan.ts";

export const SITES = ["site-midwest", "site-south", "site-west", "site-northeast"] as const;

/** A request body on its way to the aggregator. */
export interface Seen {
  readonly path: string;
  readonly site: string;
  readonly body: Uint8Array;
}

/** A second aggregator on the same store. */
export interface Replica {
  readonly child: Deno.ChildProcess;
  /** What it wrote to stderr so far. */
  readonly log: string;
  readonly stdout: Promise<string>;
  readonly url: string;
}

/** A federation of real processes on this machine, with a recording proxy between sites and aggregator. */
export class TestFederation {
  readonly seen: Seen[] = [];
  readonly sites = new Map<string, Deno.ChildProcess>();
  readonly notebook: string;
  /** Where members reach the aggregator. */
  url = "";
  aggregator!: Deno.ChildProcess;
  /** Further processes that the test has started: replicas, or an aggregator that it let live on. */
  readonly others: Deno.ChildProcess[] = [];
  #proxy: Deno.HttpServer | undefined;
  #target = "";
  #log = "";
  onSeen: (seen: Seen) => void = () => {};
  /** Answers a request in the aggregator's place, where it gives something. */
  intercept: (seen: Seen) => Response | undefined = () => undefined;

  private constructor(readonly dir: string, private readonly reconnectSeconds: number) {
    this.notebook = `${dir}/notebook`;
  }

  /** Small synthetic data, an aggregator and four enrolled sites; nothing trains before `start`. */
  static async create(
    dir: string,
    steps: number,
    phaseDeadlineMs: number,
    joinDeadlineMs = 120_000,
    more: Readonly<Record<string, unknown>> & { readonly store?: string } = {},
    reconnectSeconds = 5,
  ): Promise<TestFederation> {
    const federation = new TestFederation(dir, reconnectSeconds);
    await Deno.mkdir(federation.notebook, { recursive: true });
    await synthesizeFederation(`${dir}/data`, { seed: 7, patients: SMALL });
    const config = {
      federation: "test",
      listen: { hostname: "127.0.0.1", port: 0 },
      state: `${dir}/aggregator`,
      run: `${dir}/run`,
      sites: SITES,
      data: { public: `${dir}/data/public`, test: `${dir}/data/test` },
      foundationModel: EMBEDDED_MODEL_FOLDER,
      privacy: { epsilon: 8, delta: 1e-5, neighboring: "add_or_remove_one" },
      rounds: { steps, phaseDeadlineMs, joinDeadlineMs },
      injection: { epochs: 1 },
      backend: "wasm",
      ...more,
    } as const;
    await Deno.writeTextFile(`${dir}/aggregator.json`, JSON.stringify(config));
    await federation.startAggregator();
    federation.url = federation.#startProxy();
    for (const site of SITES) await federation.#enroll(site, federation.url, config.store);
    return federation;
  }

  /**
   * Starts an aggregator with the federation's configuration, also again after its end, and leads the proxy to it.
   * @param config file name of its configuration
   */
  async startAggregator(config = "aggregator.json"): Promise<void> {
    this.#log = "";
    this.aggregator = spawn(["cli/main.ts", "aggregator", "--config", `${this.dir}/${config}`, "--json"]);
    this.#target = await this.#listening();
  }

  /** Ends the aggregator as a power cut would, or as a supervisor does, and waits until it is gone. */
  async stopAggregator(signal: "SIGKILL" | "SIGTERM"): Promise<{ code: number; log: string }> {
    this.aggregator.kill(signal);
    return await this.finished();
  }

  /** Starts a second replica beside the first, with some settings of its own; the proxy stays where it is. */
  async startReplica(name: string, more: Readonly<Record<string, unknown>>): Promise<Replica> {
    const config = JSON.parse(await Deno.readTextFile(`${this.dir}/aggregator.json`));
    await Deno.writeTextFile(`${this.dir}/${name}.json`, JSON.stringify({ ...config, ...more }));
    const child = spawn(["cli/main.ts", "aggregator", "--config", `${this.dir}/${name}.json`, "--json"]);
    this.others.push(child);
    const replica = { child, log: "", stdout: new Response(child.stdout).text(), url: "" };
    await new Promise<void>((resolve, reject) => {
      (async () => {
        for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
          replica.log += text;
          const match = /"event":"listening","url":"([^"]+)"/.exec(replica.log);
          if (match === null) continue;
          replica.url = match[1];
          resolve();
        }
        reject(new Error(replica.log));
      })();
    });
    return replica;
  }

  /** Sends what sites ask for somewhere else from now on. */
  leadTo(url: string): void {
    this.#target = url;
  }

  /** Starts the sites; `dieAt` names the step in which a site's process ends before it uploads. */
  start(dieAt: Readonly<Record<string, number>> = {}): void {
    for (const site of SITES) this.startSite(site, dieAt[site] ?? 0);
  }

  /** Starts one site, also again after it has died. */
  startSite(site: string, dieAt = 0): void {
    const state = `${this.dir}/sites/${site}`;
    this.sites.set(
      site,
      spawn([
        "tests/e2e/_site_process.ts",
        `${state}/client.json`,
        this.notebook,
        site,
        String(dieAt),
      ], "null"),
    );
  }

  /** Exit code and stdout of the aggregator. */
  async finished(): Promise<{ code: number; stdout: string; log: string }> {
    const [stdout, status] = await Promise.all([
      new Response(this.aggregator.stdout).text(),
      this.aggregator.status,
    ]);
    await this.#logDone;
    return { code: status.code, stdout, log: this.#log };
  }

  /** Ends whatever still runs. */
  async close(): Promise<void> {
    for (const child of [this.aggregator, ...this.others, ...this.sites.values()]) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await child.status;
    }
    await this.#logDone;
    await this.#proxy?.shutdown();
    await Deno.remove(this.dir, { recursive: true });
  }

  /** The vector that a site gave to masking in a step, if it got that far. */
  async plain(site: string, round: number): Promise<Uint32Array | undefined> {
    try {
      const bytes = await Deno.readFile(`${this.notebook}/${site}-${round}.u32`);
      return new Uint32Array(bytes.buffer);
    } catch {
      return undefined;
    }
  }

  #logDone: Promise<void> = Promise.resolve();

  #listening(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#logDone = (async () => {
        for await (const text of this.aggregator.stderr.pipeThrough(new TextDecoderStream())) {
          this.#log += text;
          const match = /"event":"listening","url":"([^"]+)"/.exec(this.#log);
          if (match !== null) resolve(match[1]);
        }
        reject(new Error(this.#log));
      })();
    });
  }

  #startProxy(): string {
    this.#proxy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      const { pathname, search } = new URL(request.url);
      const body = new Uint8Array(await request.arrayBuffer());
      const seen = {
        path: pathname,
        site: /keyid="([^"]+)"/.exec(request.headers.get("signature-input") ?? "")?.[1] ?? "",
        body,
      };
      this.seen.push(seen);
      this.onSeen(seen);
      const instead = this.intercept(seen);
      if (instead !== undefined) return instead;
      return await fetch(this.#target + pathname + search, {
        method: request.method,
        headers: request.headers,
        ...(request.method === "GET" ? {} : { body }),
        redirect: "manual", // as a proxy does: redirects are the caller's
        signal: request.signal,
      }).catch(() => new Response(null, { status: 503 }));
    });
    const { hostname, port } = this.#proxy.addr as Deno.NetAddr;
    return `http://${hostname}:${port}`;
  }

  async #enroll(site: string, url: string, store: string | undefined): Promise<void> {
    const state = `${this.dir}/sites/${site}`;
    const book = await EnrollmentBook.open(`${this.dir}/aggregator`, store);
    await acceptInvite(state, encodeInvite(await book.invite(site, url)));
    await book.close();
    await writePolicy(
      `${state}/${SITE_FILES.policy}`,
      openPolicy(site),
      await readIdentity(`${state}/${SITE_FILES.identity}`),
    );
    const config = { data: `${this.dir}/data/${site}`, state, reconnectSeconds: this.reconnectSeconds };
    await Deno.writeTextFile(`${state}/client.json`, JSON.stringify(config));
  }
}

function spawn(args: readonly string[], stderr: "piped" | "null" = "piped"): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", ...args],
    cwd: root,
    stdin: "null",
    stdout: stderr === "null" ? "null" : "piped",
    stderr,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  }).spawn();
}

/** Enough records for every task to have both labels, and no more. */
const SMALL = {
  site: { icu: 30, cxr: 16, ecg: 3, vqa: 6 },
  public: { icu: 60, cxr: 30, ecg: 6, vqa: 10 },
  test: { icu: 40, cxr: 20, ecg: 4, vqa: 6 },
};
