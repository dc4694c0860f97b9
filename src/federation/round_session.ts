import {
  type Enrolled,
  type MaskEngine,
  messageType,
  type RoundConfig,
  SecAggServer,
  type ServerEvent,
} from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { stepSequence } from "./letter_order.ts";
import type { Mailbox, PostedLetter } from "./mailbox.ts";
import type { RoundLog } from "./round_log.ts";
import { uploadStage } from "./upload_stage.ts";

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
  /** The signed order that opens it. */
  readonly order: Uint8Array;
  /** Where each site's letters go. */
  readonly mailboxes: ReadonlyMap<string, Mailbox>;
  /**
   * Sites that are believed to answer as the step begins: they get the order, and a phase waits for them until the
   * deadline, and for nobody else. A step that is carried on keeps those that it began with.
   */
  readonly present: ReadonlySet<string>;
  /** Longest wait for a phase, milliseconds. */
  readonly phaseDeadlineMs: number;
  /**
   * How long an unfinished upload keeps its place after its last new chunk, or bytes of its next one, while others wait
   * for one, milliseconds;
   * {@link UPLOAD_IDLE_SHARE} of the phase deadline by default, but at least what a chunk takes over a link of
   * {@link SLOWEST_LINK}. An upload that has shown a slower pace is given twice its longest pause. Neither is more than
   * half of the phase deadline. The site may send the very same chunks again.
   */
  readonly uploadIdleMs?: number;
  /** How long {@link RoundSession.admit} waits for a place, milliseconds; {@link PLACE_MS} by default. */
  readonly placeMs?: number;
  /** Milliseconds since some fixed moment; the machine's monotonic clock by default. */
  readonly now?: () => number;
  /** The step's write-ahead log. */
  readonly log: RoundLog;
  /** Uploads that may be in flight at a time; what {@link STAGED_BYTES} allows by default. */
  readonly uploadPlaces?: number;
  /** Takes the masks out of the sum; this thread alone by default. */
  readonly engine?: MaskEngine;
}

/** Vectors of uploads in flight may take so much memory together, bytes; eight of them are always let in. */
const STAGED_BYTES = 16 * 2 ** 20;

/** How many uploads may be in flight at a time for vectors of this length. */
function placesFor(dimension: number): number {
  return Math.max(8, Math.floor(STAGED_BYTES / (4 * dimension)));
}

/** How long an upload waits for a place by default: far less than any client waits for an answer. */
export const PLACE_MS = 30_000;
/** While an upload waits for a place, it is looked for stalled ones so often, milliseconds. */
const LOOK_MS = 1000;

/** Letters that are posted before polls that they wake get their turn. */
const POSTED_AT_ONCE = 32;

/** Share of the phase deadline after which an upload that stalls gives its place to a waiting one. */
export const UPLOAD_IDLE_SHARE = 0.25;

/** Slowest link that an upload's chunks are waited for, bytes a second: half a megabit. */
export const SLOWEST_LINK = 2 ** 16;

/** Milliseconds after which a silent upload counts as stalled, unless the caller says otherwise. */
function idleLimit({ config, phaseDeadlineMs }: RoundSessionOptions): number {
  const chunkBytes = 4 * Math.min(config.chunkCoordinates, config.dimension);
  const oneChunk = Math.min(1000 * chunkBytes / SLOWEST_LINK, phaseDeadlineMs / 2);
  return Math.max(UPLOAD_IDLE_SHARE * phaseDeadlineMs, oneChunk);
}

/**
 * One secure aggregation over the network: collects answers, closes phases, posts what each site must get next. Nothing
 * that a site may act on leaves before the events that it depends on are durable, so a process that takes over replays
 * them and posts the very same letters.
 */
export class RoundSession {
  readonly #server: SecAggServer;
  #wake: () => void = () => {};
  readonly #uploadIdleMs: number;
  readonly #now: () => number;
  /** When each site's last new message of the phase was taken, the longest ago first. */
  readonly #heard = new Map<string, number>();
  /** When bytes of a site's next message came in last: a chunk that is under way is no stalled upload. */
  readonly #arriving = new Map<string, number>();
  /** Longest time between two new messages of a site in this phase: a slow link is no stalled one. */
  readonly #pauses = new Map<string, number>();
  /** Sites whose next message is admitted and not here yet. */
  readonly #entering = new Set<string>();
  /** Wakes those who wait for a place, the longest ago first. */
  readonly #places = new Set<() => void>();
  #ended = false;
  #failure: unknown;
  /** Sites that were waited for in some phase and did not answer. */
  readonly missing: Set<string> = new Set();

  private constructor(
    private readonly options: RoundSessionOptions,
    server: SecAggServer,
    private readonly order: Uint8Array<ArrayBuffer>,
    private readonly awaited: ReadonlySet<string>,
  ) {
    this.#server = server;
    this.#uploadIdleMs = options.uploadIdleMs ?? idleLimit(options);
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * Opens a step in its first phase, or where its log ends, and posts the letters of that phase.
   * @param options see {@link RoundSessionOptions}
   * @throws FedKimError `StoreError`
   */
  static async open(options: RoundSessionOptions): Promise<RoundSession> {
    const { config, enrolled, log, engine } = options;
    const server = {
      config,
      enrolled,
      maxStagedVectors: options.uploadPlaces ?? placesFor(config.dimension),
      ...(engine === undefined ? {} : { engine }),
      stage: uploadStage((buffers) => void releaseAfter(log, buffers)),
      record: (event: ServerEvent) => log.record(event),
    };
    const known = await log.order();
    let session: RoundSession;
    if (known === undefined) {
      const begun = { order: options.order, sites: [...options.present] };
      await log.begin(begun);
      session = new RoundSession(
        options,
        new SecAggServer(server),
        new Uint8Array(begun.order),
        new Set(begun.sites),
      );
    } else {
      const heard = new Set<string>();
      session = new RoundSession(
        options,
        await SecAggServer.replay(server, noting(log.events(), heard)),
        new Uint8Array(known.order),
        new Set(known.sites),
      );
      // Uploads that were under way when the log ended count as heard of now.
      for (const site of heard) session.#heard.set(site, session.#now());
    }
    await session.#post(Infinity); // messages are taken once this returns: no site is woken before
    return session;
  }

  /** The phase that is open, who may answer in it, and who has. */
  get progress(): {
    readonly phase: string;
    readonly answered: readonly string[];
    readonly expected: readonly string[];
  } {
    return { phase: this.#server.phase, answered: this.#server.answered, expected: this.#server.expected };
  }

  /**
   * Takes a protocol message of an authenticated site; it is durable when the promise resolves.
   * @returns true where the session has kept the bytes: their buffer is its own from now on, and empty when it is done
   * @throws SecAggError when it is refused; FedKimError `NetworkError` when it can be taken later, `StoreError`
   */
  async receive(site: string, bytes: Uint8Array): Promise<boolean> {
    if (this.#failure !== undefined) throw this.#failure;
    const chunk = messageType(bytes) === "masked_chunk";
    let receipt = this.#server.receive(site, bytes);
    if (receipt.kind === "busy" && this.#releaseStalledUpload()) receipt = this.#server.receive(site, bytes);
    if (receipt.kind === "refused") throw receipt.error;
    if (receipt.kind === "busy") throw busy();
    this.#entering.delete(site); // it has its place now, or needs none
    const kept = receipt.kind === "accepted" && chunk;
    if (receipt.kind === "accepted") this.#hear(site);
    // A repeated message may be one whose first copy is still on its way to the disk.
    await this.#flush();
    this.#nextPlace();
    this.#wake();
    return kept;
  }

  /**
   * Waits until a message of a site could be taken, before its bytes are read: one that is refused for want of a place
   * has to be sent all over again.
   * @returns how to say that the message has come, or will not
   * @throws FedKimError `NetworkError` where no place became free in time
   */
  async admit(site: string): Promise<() => void> {
    const deadline = performance.now() + (this.options.placeMs ?? PLACE_MS);
    while (this.#server.uploadRoom(site) <= this.#entering.size && !this.#ended) {
      const left = deadline - performance.now();
      if (left <= 0) throw busy();
      if (!this.#releaseStalledUpload()) await this.#changedPlaces(Math.min(left, LOOK_MS));
    }
    this.#entering.add(site);
    return () => {
      this.#entering.delete(site);
      this.#nextPlace();
    };
  }

  /** Waits until a place may have become free. */
  #changedPlaces(patienceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#places.delete(done);
        resolve();
      };
      const timer = setTimeout(done, patienceMs);
      this.#places.add(done);
    });
  }

  /** Lets the one that has waited longest look again. */
  #nextPlace(): void {
    for (const done of this.#places) return done();
  }

  #everyPlace(): void {
    for (const done of [...this.#places]) done();
  }

  /** Notes that bytes of a site's next message have come in; without effect for a site that has no upload under way. */
  arriving(site: string): void {
    if (this.#heard.has(site)) this.#arriving.set(site, this.#now());
  }

  /** Notes a new message, and how long its site was silent before it. */
  #hear(site: string): void {
    const now = this.#now();
    const before = this.#heard.get(site);
    if (before !== undefined) this.#pauses.set(site, Math.max(this.#pauses.get(site) ?? 0, now - before));
    this.#heard.delete(site);
    this.#heard.set(site, now);
    this.#arriving.delete(site);
  }

  /** What is in memory and not durable must not be acted on: a failed write ends the session here. */
  async #flush(): Promise<void> {
    try {
      await this.options.log.flush();
    } catch (error) {
      this.#failure ??= error;
      this.#wake();
      throw error;
    }
  }

  /** Takes its place from the upload that has not gone on for longest; false if all of them go on. */
  #releaseStalledUpload(): boolean {
    if (this.#server.phase !== "masked_input") return false;
    const answered = new Set(this.#server.answered);
    for (const [site, at] of this.#heard) {
      const pace = Math.min(2 * (this.#pauses.get(site) ?? 0), this.options.phaseDeadlineMs / 2);
      const patience = Math.max(this.#uploadIdleMs, pace);
      // Bytes that trickle in and become no chunk hold a place for half of the deadline and no longer.
      const active = Math.min(this.#arriving.get(site) ?? at, at + this.options.phaseDeadlineMs / 2);
      if (this.#now() - active < patience) continue;
      this.#heard.delete(site);
      if (answered.has(site)) continue;
      this.#server.releaseUpload(site);
      return true;
    }
    return false;
  }

  /**
   * Runs all phases; whatever sites do or leave undone is an outcome.
   * @throws FedKimError `StoreError` when the log cannot be written, or the signal's reason
   */
  async run(signal: AbortSignal): Promise<RoundOutcome> {
    try {
      return await this.#phases(signal);
    } finally {
      this.#ended = true;
      this.#everyPlace();
    }
  }

  async #phases(signal: AbortSignal): Promise<RoundOutcome> {
    while (this.#server.phase !== "finished" && this.#server.phase !== "aborted") {
      await this.#phaseOver(signal);
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      const answered = new Set(this.#server.answered);
      for (const site of this.#server.expected) {
        if (this.awaited.has(site) && !answered.has(site)) this.missing.add(site);
      }
      // Before the next phase opens: what comes in while the log is written counts as heard in that phase.
      this.#heard.clear();
      this.#arriving.clear();
      this.#pauses.clear();
      await this.#server.close();
      this.#everyPlace();
      await this.#flush();
      await this.#post();
    }
    const result = this.#server.result;
    if (result !== undefined) return { kind: "sum", ...result };
    return { kind: "aborted", error: this.#server.error ?? new Error("aborted without a reason") };
  }

  /**
   * Gives every site the letter of the present phase, and takes back older ones where there is none: few at a time, so
   * that a thousand polls that wait are not all answered, and their bodies made, in the same moment.
   */
  async #post(atOnce: number = POSTED_AT_ONCE): Promise<void> {
    const { roundId } = this.options.config;
    let posted = 0;
    for (const [site, mailbox] of this.options.mailboxes) {
      const letter = this.#letterTo(site);
      if (letter !== undefined) mailbox.post(letter);
      else mailbox.retract(roundId);
      if (++posted % atOnce === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  #letterTo(site: string): PostedLetter | undefined {
    const { roundId: round } = this.options.config;
    const { phase } = this.#server;
    const sequence = stepSequence(round, phase);
    if (phase === "advertise_keys") {
      return this.awaited.has(site) ? { sequence, kind: "round", round, body: this.order } : undefined;
    }
    const make = this.#server.outboundMaker(site);
    return make && { sequence, kind: "secagg", round, body: () => new Uint8Array(make()) };
  }

  /** Resolves when everybody who is present has answered, at the deadline, or when nothing can be written any more. */
  #phaseOver(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", finish);
        this.#wake = () => {};
        resolve();
      };
      const timer = setTimeout(finish, this.options.phaseDeadlineMs);
      // Each message completes one site at most: so many must come before it is worth looking again.
      let missing = 0;
      this.#wake = () => {
        if (this.#failure !== undefined) return finish();
        if (--missing > 0) return;
        const answered = new Set(this.#server.answered);
        const waiting = this.#server.expected.filter((site) => this.awaited.has(site) && !answered.has(site));
        missing = waiting.length;
        if (missing === 0) finish();
      };
      signal.addEventListener("abort", finish);
      if (signal.aborted) finish();
      else this.#wake();
    });
  }
}

/** Gives buffers back once the log has written what lies in them: the collector would come late. */
async function releaseAfter(log: RoundLog, buffers: readonly ArrayBuffer[]): Promise<void> {
  try {
    await log.flush();
  } catch {
    return; // it may still be writing, and the session is over
  }
  for (const buffer of buffers) if (!buffer.detached) buffer.transfer(0);
}

function busy(): FedKimError {
  return new FedKimError(
    "NetworkError",
    "Too many sites upload at once; the same message will be taken in a moment.",
  );
}

/** Passes the events of a log on and notes who spoke in the phase that they end in, the longest ago first. */
async function* noting(
  events: AsyncIterable<ServerEvent>,
  heard: Set<string>,
): AsyncGenerator<ServerEvent> {
  for await (const event of events) {
    if (event.kind === "close") heard.clear();
    else if (event.kind === "release") heard.delete(event.clientId);
    else {
      heard.delete(event.clientId);
      heard.add(event.clientId);
    }
    yield event;
  }
}
