import { z } from "zod";
import { FedKimError } from "../formats/errors.ts";
import { canonicalJson, sha256Hex } from "../formats/canonical_json.ts";
import type { Fence, Store } from "./store/mod.ts";

const STREAM = "audit";
/** Entries that are read from the store at once. */
const PAGE = 1000;
/** What the first entry follows. */
const GENESIS = "0".repeat(64);

const EntrySchema = z.strictObject({
  sequence: z.number().int().positive(),
  time: z.string(),
  actor: z.string(),
  event: z.string(),
  details: z.record(z.string(), z.union([z.string(), z.number()])),
  previous: z.string().length(64),
  hash: z.string().length(64),
});

/** One thing that somebody did, chained to everything before it. */
export interface AuditEntry {
  /** Position, from 1. */
  readonly sequence: number;
  /** When, by the aggregator's clock (ISO 8601, UTC). */
  readonly time: string;
  /** Name of the member who did it, or `aggregator`. */
  readonly actor: string;
  /** What happened. */
  readonly event: string;
  /** Public facts about it. */
  readonly details: Readonly<Record<string, string | number>>;
  /** Hash of the entry before, hexadecimal; zeros for the first. */
  readonly previous: string;
  /** SHA-256 of this entry without its hash, in canonical JSON. */
  readonly hash: string;
}

/** An entry on its way into the log. */
interface Pending extends Pick<AuditEntry, "actor" | "event" | "details"> {
  readonly resolve: (entry: AuditEntry) => void;
  readonly reject: (error: unknown) => void;
}

/** Names of what is recorded. */
export type AuditEvent =
  | "invited"
  | "enrolled"
  | "key_rotated"
  | "revoked"
  | "joined"
  | "plan_offered"
  | "plan_accepted"
  | "plan_refused"
  | "step_summed"
  | "step_aborted"
  | "message_refused"
  | "ledger_stated"
  | "run_finished"
  | "run_failed"
  | "signed_in";

/**
 * The aggregator's append-only log: who did what and when, each entry with the hash of the one before. Whoever keeps the
 * newest hash (an auditor who looked) can later show that nothing before it was changed, left out or put in.
 */
export class AuditLog {
  readonly #pending: Pending[] = [];
  #appending: Promise<void> | undefined;

  /**
   * Opens the log.
   * @param store where entries are kept
   * @param fence proof that the writer leads, where only the leading replica may write
   */
  constructor(private readonly store: Store, private readonly fence?: Fence) {}

  /**
   * Appends an entry, durably.
   * @param actor name of the member who did it, or `aggregator`
   * @param details names, hashes, codes and counts; never a record, a metric of one site or a secret
   * @throws FedKimError `StoreError`
   */
  record(
    actor: string,
    event: AuditEvent,
    details: Readonly<Record<string, string | number>> = {},
  ): Promise<AuditEntry> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ actor, event, details: { ...details }, resolve, reject });
      this.#appending ??= this.#appendAll();
    });
  }

  /** Number of the newest entry, 0 for an empty log. */
  newest(): Promise<number> {
    return this.store.newest(STREAM);
  }

  /** Entries after a position, in order. */
  async read(after = 0, limit: number = PAGE): Promise<AuditEntry[]> {
    return (await this.store.read(STREAM, after, limit)).map(({ body }) => decode(body));
  }

  /**
   * Recomputes the whole chain.
   * @returns its newest entry, or undefined for an empty log
   * @throws FedKimError `StoreError`, reason `damaged`, at the first entry that does not follow from the one before
   */
  async verify(): Promise<AuditEntry | undefined> {
    let last: AuditEntry | undefined;
    for (;;) {
      // Asked before the page: what comes after it, while others write, is no entry that is missing.
      const newest = await this.newest();
      const page = await this.read(last?.sequence ?? 0);
      if (page.length === 0) {
        // Numbers are never reused, so a log that was cut at its end still knows how long it was.
        if ((last?.sequence ?? 0) < newest) throw damaged((last?.sequence ?? 0) + 1);
        return last;
      }
      for (const entry of page) {
        const { hash, ...content } = entry;
        const follows = entry.sequence === (last?.sequence ?? 0) + 1 &&
          entry.previous === (last?.hash ?? GENESIS);
        if (!follows || sha256Hex(canonicalJson(content)) !== hash) throw damaged(entry.sequence);
        last = entry;
      }
    }
  }

  /** Appends what waits, group after group: a thousand sites that join at once wait for a few commits. */
  async #appendAll(): Promise<void> {
    while (this.#pending.length > 0) {
      const group = this.#pending.splice(0);
      try {
        const entries = await this.#append(group);
        group.forEach(({ resolve }, i) => resolve(entries[i]));
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#appending = undefined;
  }

  async #append(group: readonly Pending[]): Promise<AuditEntry[]> {
    for (;;) {
      const newest = await this.store.newest(STREAM);
      const [last] = newest === 0 ? [] : await this.read(newest - 1, 1);
      let previous = last?.hash ?? GENESIS;
      const entries = group.map(({ actor, event, details }, i): AuditEntry => {
        const time = new Date().toISOString();
        const content = { sequence: newest + 1 + i, time, actor, event, details, previous };
        previous = sha256Hex(canonicalJson(content));
        return { ...content, hash: previous };
      });
      const bytes = entries.map((entry) => new TextEncoder().encode(JSON.stringify(entry)));
      // Undefined: another replica was first, so these entries have to follow its.
      if (await this.store.appendAfter(STREAM, newest, bytes, this.fence) !== undefined) return entries;
    }
  }
}

function decode(bytes: Uint8Array): AuditEntry {
  const parsed = EntrySchema.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
  if (!parsed.success) throw damaged(undefined);
  return parsed.data;
}

function damaged(sequence: number | undefined): FedKimError {
  return new FedKimError("StoreError", "The audit log has been changed.", {
    reason: "damaged",
    found: sequence === undefined
      ? "an entry that cannot be read"
      : `entry ${sequence} does not follow from the one before`,
    remedy: "compare it with a backup and with the newest hash that an auditor has noted",
  });
}
