import { type Enrolled, type RoundConfig, SecAggServer } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import type { Mailbox } from "./mailbox.ts";
import { RoundJournal } from "./round_journal.ts";

/** How an aggregation step ended. */
export type RoundOutcome =
  | {
    readonly kind: "sum";
    readonly sum: Uint32Array;
    readonly survivors: readonly string[];
    readonly transcript: Uint8Array;
  }
  | { readonly kind: "aborted"; readonly error: Error };

/** What a step needs. */
export interface RoundSessionOptions {
  /** The step's configuration, as every site checks it. */
  readonly config: RoundConfig;
  /** Keys of all sites of the plan. */
  readonly enrolled: Enrolled;
  /** Where each site's letters go. */
  readonly mailboxes: ReadonlyMap<string, Mailbox>;
  /** Sites that are believed to answer as the step begins; a phase waits for them until the deadline, and for nobody else. */
  readonly present: ReadonlySet<string>;
  /** Longest wait for a phase, milliseconds. */
  readonly phaseDeadlineMs: number;
  /**
   * How long an unfinished upload keeps its place after its last new chunk while others wait for one, milliseconds;
   * {@link UPLOAD_IDLE_SHARE} of the phase deadline by default. The site may send the very same chunks again.
   */
  readonly uploadIdleMs?: number;
  /** Milliseconds since some fixed moment; the machine's monotonic clock by default. */
  readonly now?: () => number;
  /** State folder, for the write-ahead journal. */
  readonly stateFolder: string;
}

/** Share of the phase deadline after which an upload that stalls gives its place to a waiting one. */
export const UPLOAD_IDLE_SHARE = 0.25;

/** One secure aggregation over the network: collects answers, closes phases, posts what each site must get next. */
export class RoundSession {
  readonly #server: SecAggServer;
  readonly #journal: RoundJournal;
  #wake: () => void = () => {};
  readonly #awaited: ReadonlySet<string>;
  readonly #uploadIdleMs: number;
  readonly #now: () => number;
  /** When each site's last new message of the phase was taken, the longest ago first. */
  readonly #heard = new Map<string, number>();
  /** Sites that were waited for in some phase and did not answer. */
  readonly missing = new Set<string>();

  /**
   * Opens a step in its first phase.
   * @param options see {@link RoundSessionOptions}
   */
  constructor(private readonly options: RoundSessionOptions) {
    this.#awaited = new Set(options.present);
    this.#uploadIdleMs = options.uploadIdleMs ?? UPLOAD_IDLE_SHARE * options.phaseDeadlineMs;
    this.#now = options.now ?? (() => performance.now());
    this.#journal = new RoundJournal(options.stateFolder, options.config.roundId);
    this.#server = new SecAggServer({
      config: options.config,
      enrolled: options.enrolled,
      record: (event) => this.#journal.record(event),
    });
  }

  /** The phase that is open, who may answer in it, and who has. */
  get progress(): {
    readonly phase: string;
    readonly answered: readonly string[];
    readonly expected: readonly string[];
  } {
    return { phase: this.#server.phase, answered: this.#server.answered, expected: this.#server.expected };
  }

  /** Takes a protocol message of an authenticated site. @throws SecAggError when it is refused */
  receive(site: string, bytes: Uint8Array): void {
    let receipt = this.#server.receive(site, bytes);
    if (receipt.kind === "busy" && this.#releaseStalledUpload()) receipt = this.#server.receive(site, bytes);
    if (receipt.kind === "refused") throw receipt.error;
    if (receipt.kind === "busy") {
      throw new FedKimError(
        "NetworkError",
        "Too many sites upload at once; the same message will be taken in a moment.",
      );
    }
    if (receipt.kind === "accepted") {
      this.#heard.delete(site);
      this.#heard.set(site, this.#now());
    }
    this.#wake();
  }

  /** Takes its place from the upload that has not gone on for longest; false if all of them go on. */
  #releaseStalledUpload(): boolean {
    if (this.#server.phase !== "masked_input") return false;
    const answered = new Set(this.#server.answered);
    for (const [site, at] of this.#heard) {
      if (this.#now() - at < this.#uploadIdleMs) return false;
      this.#heard.delete(site);
      if (answered.has(site)) continue;
      this.#server.releaseUpload(site);
      return true;
    }
    return false;
  }

  /** Runs all phases; never throws for what sites do or leave undone. */
  async run(signal: AbortSignal): Promise<RoundOutcome> {
    try {
      while (this.#server.phase !== "finished" && this.#server.phase !== "aborted") {
        await this.#phaseOver(signal);
        signal.throwIfAborted();
        const answered = new Set(this.#server.answered);
        for (const site of this.#server.expected) {
          if (this.#awaited.has(site) && !answered.has(site)) this.missing.add(site);
        }
        await this.#server.close();
        this.#heard.clear();
        for (const [site, mailbox] of this.options.mailboxes) {
          const message = this.#server.outboundFor(site);
          if (message !== undefined) mailbox.post("secagg", this.options.config.roundId, message);
        }
      }
    } finally {
      this.#journal.finish();
    }
    const result = this.#server.result;
    if (result !== undefined) return { kind: "sum", ...result };
    return { kind: "aborted", error: this.#server.error ?? new Error("aborted without a reason") };
  }

  /** Resolves when everybody who is present has answered, or at the deadline. */
  #phaseOver(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", finish);
        this.#wake = () => {};
        resolve();
      };
      const timer = setTimeout(finish, this.options.phaseDeadlineMs);
      this.#wake = () => {
        const answered = new Set(this.#server.answered);
        const waiting = this.#server.expected.filter((site) =>
          this.#awaited.has(site) && !answered.has(site)
        );
        if (waiting.length === 0) finish();
      };
      signal.addEventListener("abort", finish);
      this.#wake();
    });
  }
}
