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
  /** State folder, for the write-ahead journal. */
  readonly stateFolder: string;
}

/** One secure aggregation over the network: collects answers, closes phases, posts what each site must get next. */
export class RoundSession {
  readonly #server: SecAggServer;
  readonly #journal: RoundJournal;
  #wake: () => void = () => {};
  readonly #awaited: ReadonlySet<string>;
  /** Sites that were waited for in some phase and did not answer. */
  readonly missing = new Set<string>();

  /** @param options see {@link RoundSessionOptions} */
  constructor(private readonly options: RoundSessionOptions) {
    this.#awaited = new Set(options.present);
    this.#journal = new RoundJournal(options.stateFolder, options.config.roundId);
    this.#server = new SecAggServer({
      config: options.config,
      enrolled: options.enrolled,
      record: (event) => this.#journal.record(event),
    });
  }

  /** Takes a protocol message of an authenticated site. @throws SecAggError when it is refused */
  receive(site: string, bytes: Uint8Array): void {
    const receipt = this.#server.receive(site, bytes);
    if (receipt.kind === "refused") throw receipt.error;
    if (receipt.kind === "busy") {
      throw new FedKimError(
        "NetworkError",
        "Too many sites upload at once; the same message will be taken in a moment.",
      );
    }
    this.#wake();
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
