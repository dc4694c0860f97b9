import assert from "node:assert/strict";
import { AuditLog, RUN_FILES, SITE_FILES, type Store } from "../../src/federation/mod.ts";
import { readChain } from "../../src/dp/ledger/chain.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import { toHex } from "../../src/formats/hex.ts";
import { decodeMessage } from "../../src/secure_agg/mod.ts";
import type { Seen } from "./_fault_proxy.ts";
import { type ChaosFederation, SITES } from "./_federation.ts";
import { assertExactSum, assertWholeCheckpoints, type Metric } from "./_laws.ts";

/** What a watch looks at. */
export type Watchable = Pick<ChaosFederation, "seen" | "options" | "notebook" | "store">;

/** What a watch has counted. */
export interface Watched {
  /** Times that all laws were checked. */
  readonly checks: number;
  /** Exact sums. */
  readonly summed: number;
  /** Steps that were given up. */
  readonly aborted: number;
  /** Messages that were looked at. */
  readonly messages: number;
  /** Charges in all ledgers. */
  readonly charges: number;
  /** Lines that a full disk or a kill tore, in all ledgers; each counts as spent. */
  readonly torn: number;
  /** Newest entry of the audit log. */
  readonly audited: number;
  /** Checks at which the database could not be asked. */
  readonly unasked: number;
}

/** A ledger as far as it was read. */
interface LedgerSoFar {
  /** Hashes of its records. */
  readonly hashes: readonly string[];
  /** Number of each charge by `step record-hash`. */
  readonly charges: ReadonlySet<string>;
  readonly torn: number;
}

/** Checks, again and again while a federation lives, the laws that hold at every moment. */
export class Watch {
  readonly #ledgers = new Map<string, LedgerSoFar>();
  /** Kind of share by site, session and peer. */
  readonly #revealed = new Map<string, string>();
  /** Steps that a site has charged and announced, until it is in their session. */
  readonly #announced = new Set<string>();
  /** Sessions of sites that were announced so; a late message of one may come when its plan is over. */
  readonly #sessions = new Set<string>();
  /** Sum of each step of the present plan, or why it has none. */
  #steps = new Map<number, string>();
  #audited: { readonly sequence: number; readonly hash: string } | undefined;
  #store: Store | undefined;
  #counts = { checks: 0, summed: 0, aborted: 0, messages: 0, unasked: 0 };

  /** @param federation whom to watch */
  constructor(private readonly federation: Watchable) {}

  /** What was counted. */
  get watched(): Watched {
    const ledgers = [...this.#ledgers.values()];
    const sum = (of: (ledger: LedgerSoFar) => number) =>
      ledgers.reduce((total, ledger) => total + of(ledger), 0);
    return {
      ...this.#counts,
      charges: sum(({ charges }) => charges.size),
      torn: sum(({ torn }) => torn),
      audited: this.#audited?.sequence ?? 0,
    };
  }

  /** Checks everything that can be checked now. @throws AssertionError where a law is broken */
  async check(): Promise<void> {
    // In this order: whatever was sent before the ledgers are read is charged in them.
    const seen = this.federation.seen.splice(0);
    for (const site of SITES) await this.#checkLedger(site);
    for (const message of seen) this.#checkMessage(message);
    await assertWholeCheckpoints(this.federation);
    await this.#checkSteps();
    await this.#checkAudit();
    this.#counts.checks++;
  }

  /** Checks a plan that is over, and makes room for the next one. @param whole true where it came to its end */
  async planOver(whole: boolean): Promise<void> {
    await this.check();
    const { notebook, options: { steps } } = this.federation;
    const rounds = [...this.#steps.keys()].sort((a, b) => a - b);
    assert.deepEqual(rounds, rounds.map((_, i) => i + 1), "each step once, in order");
    if (whole) assert.equal(rounds.length, steps, "every step of a finished plan is over");
    this.#steps = new Map();
    await Deno.remove(this.#metricsFile).catch(() => {});
    for await (const { name } of Deno.readDir(notebook)) {
      await Deno.remove(`${notebook}/${name}`);
    }
  }

  /** Ends watching. */
  async close(): Promise<void> {
    await this.#store?.close();
    this.#store = undefined;
  }

  get #metricsFile(): string {
    return `${this.federation.options.dir}/run/${RUN_FILES.metrics}`;
  }

  /** A chain that holds, goes on from what it was before, and charges a step once. */
  async #checkLedger(site: string): Promise<void> {
    const file = `${this.federation.options.dir}/sites/${site}/${SITE_FILES.ledger}`;
    const before = this.#ledgers.get(site);
    const bytes = await Deno.readFile(file).catch((error) => {
      if (error instanceof Deno.errors.NotFound && !before?.hashes.length) return new Uint8Array();
      throw error;
    });
    const { records, torn } = readChain(bytes);
    const hashes = records.map(({ hash }) => hash);
    assert.deepEqual(
      hashes.slice(0, before?.hashes.length ?? 0),
      before?.hashes ?? [],
      `${site}'s ledger shrank`,
    );
    const once = new Set<string>();
    const charges = new Set<string>();
    for (const record of records) {
      if (record.type !== "charge") continue;
      const step = `${record.planHash} ${record.round}`;
      assert.ok(!once.has(step), `${site} is charged twice for step ${record.round}`);
      once.add(step);
      charges.add(`${record.round} ${record.sequence}.${record.hash}`);
    }
    const lost = records.flatMap((record) => record.type === "torn" ? record.lines : []).length + torn.length;
    this.#ledgers.set(site, { hashes, charges, torn: lost });
  }

  /** Whatever leaves a site for a step comes after the charge of that step, and no peer's two shares leave it. */
  #checkMessage({ site, path, query, body }: Seen): void {
    const match = /^\/v1\/rounds\/(\d+)\/messages$/.exec(path);
    if (match === null) return;
    this.#counts.messages++;
    const round = Number(match[1]);
    const message = decodeMessage(body);
    if (message.type === "advertise_keys") {
      const head = new URLSearchParams(query).get("head");
      const charged = this.#ledgers.get(site)?.charges.has(`${round} ${head}`);
      assert.ok(charged, `${site} opened step ${round} without its charge: ${head}`);
      this.#announced.add(`${site} ${round}`);
      return;
    }
    if (!("sid" in message)) return; // who gives a step up says nothing else
    const session: string = `${site} ${round} ${toHex(message.sid)}`;
    if (!this.#sessions.has(session)) {
      const announced = this.#announced.delete(`${site} ${round}`);
      assert.ok(announced, `${site} sent ${message.type} of step ${round} uncharged`);
      this.#sessions.add(session);
    }
    if (message.type !== "unmask") return;
    for (const { peer, kind } of message.shares) {
      const place: string = `${site} of peer ${peer} in session ${toHex(message.sid)}`;
      assert.equal(this.#revealed.get(place) ?? kind, kind, `two kinds of share by ${place}`);
      this.#revealed.set(place, kind);
    }
  }

  /** Each step has one end, and a sum is that of what sites gave to masking. */
  async #checkSteps(): Promise<void> {
    const text = await Deno.readTextFile(this.#metricsFile).catch(() => "");
    const lines = text.split("\n");
    const last = lines.pop(); // empty, or a line that is being written
    const here = new Set<number>();
    for (const [i, line] of lines.entries()) {
      const metric = metricOf(line);
      if (metric === undefined) {
        // A full disk cut it short; what is written after it is lost with it until the next start.
        assert.ok(
          i === lines.length - 1,
          `line ${i + 1} of the metrics is torn: ${line.slice(0, 80)}, then ${last}`,
        );
        continue;
      }
      if (metric.kind !== "step" && metric.kind !== "aborted") continue;
      const { round } = metric;
      assert.ok(!here.has(round), `step ${round} is twice in the metrics`);
      here.add(round);
      const end = metric.sumHash ?? "aborted";
      const known = this.#steps.get(round);
      if (known === undefined) {
        if (metric.kind === "step") await assertExactSum(this.federation, metric, false);
        this.#counts[metric.kind === "step" ? "summed" : "aborted"]++;
        this.#steps.set(round, end);
      } else assert.equal(known, end, `step ${round} ended twice, each time in another way`);
    }
  }

  /** The audit log's chain holds, and goes on from what it was before. */
  async #checkAudit(): Promise<void> {
    try {
      this.#store ??= await this.federation.store();
      const audit = new AuditLog(this.#store);
      const newest = await audit.verify();
      if (this.#audited !== undefined) {
        const [entry] = await audit.read(this.#audited.sequence - 1, 1);
        assert.equal(entry?.hash, this.#audited.hash, "the audit log was rewritten");
      }
      this.#audited = newest;
    } catch (error) {
      const away = error instanceof FedKimError && error.code === "StoreError" &&
        error.details.reason !== "damaged";
      if (!away) throw error;
      this.#counts.unasked++;
      await this.#store?.close().catch(() => {});
      this.#store = undefined;
    }
  }
}

function metricOf(line: string): Metric | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
