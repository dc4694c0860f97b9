import { type Identity, SecAggError } from "../secure_agg/mod.ts";
import { sha256Hex } from "../formats/canonical_json.ts";
import { FedKimError } from "../formats/errors.ts";
import type { OnProgress } from "../formats/progress.ts";
import type { AggregatorDesk, PlanAnswer, Status } from "./api/mod.ts";
import type { AuditLog } from "./audit_log.ts";
import type { EnrollmentBook, LedgerHead } from "./enrollment_book.ts";
import { type Holdings, takeHoldings } from "./holdings.ts";
import { type CountersignedHead, countersignHead, requireNewestHead } from "./ledger_head.ts";
import { doneSequence, JOINED_SEQUENCE, PLAN_SEQUENCE, stepSequence } from "./letter_order.ts";
import { type Letter, Mailbox } from "./mailbox.ts";
import { toProblem } from "./problem.ts";
import type { RoundSession } from "./round_session.ts";
import type { RunStore } from "./run_store.ts";

/** What a desk needs. */
export interface SiteDeskOptions {
  /** Name of the federation. */
  readonly federation: string;
  /** Sites that may take part. */
  readonly sites: readonly string[];
  /** Longest wait for sites to join, accept or return, milliseconds. */
  readonly joinDeadlineMs: number;
  /** Enrolled keys and ledger heads. */
  readonly book: EnrollmentBook;
  /** Where it is kept who has accepted the plan. */
  readonly run: RunStore;
  /** What sites did is noted here. */
  readonly audit: AuditLog;
  /** The aggregator's identity, which countersigns ledger heads. */
  readonly identity: Identity;
  /** Receives how many sites have joined and accepted. */
  readonly onProgress: OnProgress;
  /** Stops all waiting. */
  readonly signal: AbortSignal;
}

/** What the aggregator has seen of a member since it started. */
export interface Visit {
  /** Software that it named. */
  readonly software: string;
  /** Milliseconds since 1970 of its last request. */
  readonly lastSeen: number;
  /** Steps since then that it has sent a message in, and so has charged to its ledger. */
  readonly steps: number;
}

/** The step in progress, for operators. */
export interface LiveStep {
  /** Its number. */
  readonly round: number;
  /** Phase of the protocol. */
  readonly phase: string;
  /** Sites that have answered in this phase. */
  readonly answered: readonly string[];
  /** Sites that may answer in it. */
  readonly expected: readonly string[];
}

/** A plan as it is offered. */
export interface OfferedPlan {
  /** Its hash. */
  readonly hash: string;
  /** The plan with the aggregator's signature. */
  readonly sealed: Uint8Array<ArrayBuffer>;
  /** Steps of its schedule. */
  readonly steps: number;
  /** Sites that take part; all of the federation by default. */
  readonly sites?: readonly string[];
}

/** Where the aggregator and its sites meet: who has joined, accepted and answers, and what waits for whom. */
export class SiteDesk implements AggregatorDesk {
  /** Letters by site; a site has a mailbox once it has joined. */
  readonly mailboxes: Map<string, Mailbox> = new Map();
  /** Which sets the joined sites state to hold. */
  readonly holdings: Map<string, Holdings> = new Map();
  /** Sites that have accepted the plan and are believed to answer. */
  readonly present: Set<string> = new Set();
  #stage = "starting";
  #accepted = new Set<string>();
  #plan: OfferedPlan | undefined;
  /** The last letter of the run, once it is over: also for sites that come later. */
  #done: Letter | undefined;
  /** Newest step that has begun. */
  #newest = 0;
  /** Steps that were over when the run was taken up again. */
  #before = 0;
  /** True from a restart until the step that was in progress is carried on: its messages shall come again. */
  #resuming = false;
  /** Refusals of the present step that were noted, so that a site cannot fill the log. */
  readonly #refused = new Set<string>();
  #session: { readonly round: number; readonly session: RoundSession } | undefined;
  #refusal: FedKimError | undefined;
  /** The change of a key, or the signing of a plan, that came last. */
  #keys: Promise<unknown> = Promise.resolve();
  #waiting: () => void = () => {};
  readonly #listeners = new Set<() => void>();
  readonly #visits = new Map<string, { software: string; lastSeen: number; steps: number; step: number }>();

  /** @param options see {@link SiteDeskOptions} */
  constructor(private readonly options: SiteDeskOptions) {}

  /** See {@link AggregatorDesk}. */
  async join(
    site: string,
    head: LedgerHead,
    holdings?: Holdings,
  ): Promise<{ head: CountersignedHead | null; newest: number }> {
    const { sites, book, identity, run, audit, onProgress } = this.options;
    this.#requireMember(site);
    const known = await book.headOf(site);
    if (known !== undefined && head.sequence < known.sequence) {
      throw new FedKimError(
        "LedgerError",
        "The site's ledger is older than the one that was countersigned.",
        {
          reason: "rolled_back",
          found: `entry ${head.sequence}`,
          needed: `entry ${known.sequence} or a later one`,
          remedy:
            "restore the newest copy of the site's state folder; an older one would forget what was spent",
        },
      );
    }
    await takeHoldings(book, this.holdings, site, holdings);
    await book.recordHead(site, head);
    if (this.#plan !== undefined) await run.leave(this.#plan.hash, site);
    this.#accepted.delete(site);
    this.present.delete(site);
    const returned = this.mailboxes.has(site);
    this.#openMailbox(site, this.#newest);
    // A site that comes again and again with the same ledger is news once.
    if (!returned || known?.sequence !== head.sequence) {
      await audit.record(site, "joined", { ledgerEntry: head.sequence });
    }
    onProgress({ stage: "join", done: this.mailboxes.size, total: sites.length });
    this.#changed();
    return {
      head: known === undefined ? null : countersignHead(site, known, identity),
      newest: JOINED_SEQUENCE,
    };
  }

  /** A fresh mailbox with what every site must have; polls on an older one end. */
  #openMailbox(site: string, since: number): void {
    this.mailboxes.get(site)?.close();
    const mailbox = new Mailbox(since);
    this.mailboxes.set(site, mailbox);
    if (this.#plan !== undefined) mailbox.post(planLetter(this.#plan, site));
    if (this.#done !== undefined) mailbox.post(this.#done);
  }

  /** See {@link AggregatorDesk}. */
  changeKey<T>(change: () => Promise<T>): Promise<T> {
    return this.whileKeysStay(async () => {
      if (this.#plan === undefined) return await change();
      throw new FedKimError("UnexpectedMessage", "Keys stay as they are while a plan is carried out.", {
        remedy: "rotate the key when the federation is over",
      });
    });
  }

  /** Does work while nobody else changes a key here, or signs a plan that names keys. */
  whileKeysStay<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#keys.then(work);
    this.#keys = result.catch(() => {});
    return result;
  }

  /** See {@link AggregatorDesk}. */
  async planAnswer(site: string, answer: PlanAnswer): Promise<void> {
    this.#requireMember(site);
    if (answer.accepted) {
      // First: whoever prepared the plan of a run that is over meanwhile joins the next one.
      const since = this.mailboxes.get(site)?.since;
      if (since === undefined) throw notJoined();
      if (answer.planHash !== this.#plan?.hash || !takesPart(this.#plan, site)) {
        throw new FedKimError("UnexpectedMessage", "The answer is for another plan.", {
          found: answer.planHash,
        });
      }
      await this.options.book.recordHead(site, answer.head);
      // A repeated answer, after one that was lost, is no news.
      if (!this.#accepted.has(site)) {
        await this.options.audit.record(site, "plan_accepted", { planHash: answer.planHash });
      }
      await this.options.run.accept(answer.planHash, site, since);
      this.#accepted.add(site);
      this.present.add(site);
      this.options.onProgress({
        stage: "accept",
        done: this.#accepted.size,
        total: this.options.sites.length,
      });
    } else {
      const offered = this.#plan !== undefined && sha256Hex(this.#plan.sealed) === answer.planHash;
      if (!offered || !this.mailboxes.has(site) || this.#accepted.has(site)) {
        throw new FedKimError("UnexpectedMessage", "There is no plan that this site could refuse now.", {
          found: answer.planHash,
        });
      }
      if (this.#refusal === undefined) {
        await this.options.audit.record(site, "plan_refused", { code: answer.code });
      }
      this.#refusal ??= new FedKimError("PolicyRefused", `The site ${site} refuses the plan.`, {
        found: answer.code,
        remedy: "the site's own log says why; change the plan or ask the site to change its policy",
      });
    }
    this.#changed();
  }

  /** See {@link AggregatorDesk}. */
  async admit(site: string, round: number): Promise<() => void> {
    if (this.#session?.round !== round || !this.#accepted.has(site)) return () => {};
    return await this.#session.session.admit(site);
  }

  /** See {@link AggregatorDesk}. */
  async roundMessage(site: string, round: number, bytes: Uint8Array, head?: LedgerHead): Promise<boolean> {
    this.#requireMember(site);
    if (this.#resuming) {
      throw new FedKimError("NetworkError", "The aggregator is taking the step up again.", {
        reason: "resuming",
        remedy: "send the same message again in a moment",
      });
    }
    if (this.#session?.round !== round || !this.#accepted.has(site)) {
      throw new FedKimError("UnexpectedMessage", "This step is not in progress for this site.", {
        found: `step ${round}`,
      });
    }
    const { session } = this.#session;
    if (head !== undefined) requireNewestHead(head, await this.options.book.recordHead(site, head));
    this.present.add(site);
    const visit = this.#visits.get(site);
    if (visit !== undefined && visit.step !== round) {
      this.#visits.set(site, { ...visit, steps: visit.steps + 1, step: round });
    }
    let kept: boolean;
    try {
      kept = await session.receive(site, bytes);
    } catch (error) {
      if (error instanceof SecAggError) await this.#noteRefusal(site, round, error);
      throw error;
    }
    this.#changed();
    return kept;
  }

  /** See {@link AggregatorDesk}. */
  arriving(site: string): void {
    this.#session?.session.arriving(site);
  }

  async #noteRefusal(site: string, step: number, { code, reason }: SecAggError): Promise<void> {
    const refusal = `${site} ${reason}`;
    if (this.#refused.has(refusal)) return;
    this.#refused.add(refusal);
    await this.options.audit.record(site, "message_refused", { step, code, reason });
  }

  /** See {@link AggregatorDesk}. */
  async nextLetter(site: string, after: number, timeoutMs: number): Promise<Letter | undefined> {
    const mailbox = this.mailboxes.get(site);
    if (mailbox === undefined) throw notJoined();
    // A site that asks for its next letter is there again, however long it was away.
    if (this.#accepted.has(site)) {
      this.present.add(site);
      this.#changed();
    }
    return await mailbox.take(after, timeoutMs);
  }

  /** See {@link AggregatorDesk}. */
  status(): Status {
    const { federation } = this.options;
    return { federation, stage: this.stage, step: this.#session?.round ?? null, present: this.present.size };
  }

  /** What the aggregator is doing, for operators. */
  get stage(): string {
    return this.#stage;
  }

  set stage(stage: string) {
    this.#stage = stage;
    this.#changed();
  }

  /** Calls back after anything has changed here; returns how to stop. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** See {@link AggregatorDesk}. */
  seen(member: string, software: string): void {
    const visit = this.#visits.get(member) ?? { software, lastSeen: 0, steps: 0, step: 0 };
    this.#visits.set(member, { ...visit, software, lastSeen: Date.now() });
  }

  /** What was seen of a member; undefined for one that has not called yet. */
  visit(member: string): Visit | undefined {
    return this.#visits.get(member);
  }

  /** Steps of the plan that a site has charged, at most: those before a restart were nobody's to count. */
  stepsOf(site: string): number {
    return (this.#accepted.has(site) ? this.#before : 0) + (this.#visits.get(site)?.steps ?? 0);
  }

  /** Where an enrolled member stands. */
  stateOf(site: string): "enrolled" | "joined" | "accepted" | "present" | "away" {
    if (!this.mailboxes.has(site)) return "enrolled";
    if (!this.#accepted.has(site)) return "joined";
    if (this.present.has(site)) return "present";
    return this.#session === undefined ? "accepted" : "away";
  }

  /** The step in progress. */
  liveStep(): LiveStep | undefined {
    if (this.#session === undefined) return undefined;
    const { round, session } = this.#session;
    return { round, ...session.progress };
  }

  #changed(): void {
    this.#waiting();
    for (const listener of this.#listeners) listener();
  }

  /** Sends the plan to all sites, and to each that joins later. */
  offer(plan: OfferedPlan): void {
    this.#plan = plan;
    for (const [site, mailbox] of this.mailboxes) mailbox.post(planLetter(plan, site));
  }

  /**
   * Takes a run up again: sites that have accepted its plan have their mailboxes back and are believed to answer.
   * @param plan the plan that was offered
   * @param accepted sites that have accepted it, each with the newest step when it joined
   * @param steps how many steps are over; undefined when all of them are
   */
  restore(plan: OfferedPlan, accepted: ReadonlyMap<string, number>, steps: number | undefined): void {
    this.#plan = plan;
    this.#newest = this.#before = steps ?? plan.steps;
    this.#resuming = steps !== undefined;
    for (const [site, since] of accepted) {
      this.#openMailbox(site, since);
      this.#accepted.add(site);
      this.present.add(site);
    }
    this.#changed();
  }

  /**
   * Runs a step: its messages find it, and sites that miss a phase are not waited for in the next step.
   * @param round number of the step
   * @param open opens its session, which posts the first letters
   */
  async runSession(round: number, open: () => Promise<RoundSession>): ReturnType<RoundSession["run"]> {
    this.#newest = round;
    this.#refused.clear();
    const session = await open();
    this.#session = { round, session };
    this.#resuming = false;
    this.#changed();
    try {
      return await session.run(this.options.signal);
    } catch (error) {
      // The step is not over: this process or the next one takes it up, and who is told otherwise would leave it.
      this.#resuming = true;
      throw error;
    } finally {
      this.#session = undefined;
      this.#changed();
      // Whoever missed a phase is not waited for again, unless it has come back and asks for its next letter.
      for (const site of session.missing) if (!this.mailboxes.get(site)?.awaited) this.present.delete(site);
    }
  }

  /** Tells every site that a step has no sum, and why. */
  tellAborted(round: number, reason: string): void {
    const body = new TextEncoder().encode(reason);
    const letter = { sequence: stepSequence(round, "abort"), kind: "abort", round, body } as const;
    for (const mailbox of this.mailboxes.values()) mailbox.post(letter);
  }

  /**
   * Waits until every site has joined, or at the deadline until enough of them have.
   * @param enough how many will do; all by default
   * @returns who has joined
   */
  async allJoined(enough: number = this.options.sites.length): Promise<string[]> {
    const { sites } = this.options;
    const joined = (site: string) => this.mailboxes.has(site);
    const summary = "Not enough sites have joined.";
    await this.#until(joined, sites.length, summary, "NetworkError", enough);
    return sites.filter(joined);
  }

  /** Waits until every site of the plan has accepted it. @throws FedKimError `PolicyRefused` as soon as one refuses */
  async allAccepted(): Promise<void> {
    const { length } = this.#plan?.sites ?? this.options.sites;
    await this.#until(
      (site) => this.#accepted.has(site),
      length,
      "Not every site has accepted the plan.",
      "NetworkError",
    );
  }

  /** Waits until at least `count` sites are present. @throws FedKimError `BelowThreshold` at the deadline */
  async enoughPresent(count: number): Promise<void> {
    await this.#until(
      (site) => this.present.has(site),
      count,
      "Too few sites are left to form a sum.",
      "BelowThreshold",
    );
  }

  /** Tells every site that the federation is over, and why where it failed, and waits until they have heard it. */
  async farewell(error: unknown, patienceMs: number): Promise<void> {
    const problem = error === undefined ? "" : JSON.stringify(toProblem(error));
    const body = new TextEncoder().encode(problem);
    this.#done = { sequence: doneSequence(this.#plan?.steps ?? 0), kind: "done", round: 0, body };
    this.#resuming = false;
    for (const mailbox of this.mailboxes.values()) mailbox.post(this.#done);
    const deadline = Date.now() + patienceMs;
    const waiting = () => [...this.present].some((site) => !this.mailboxes.get(site)!.emptied);
    while (waiting() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  /** True once the aggregator ends: nothing changes any more. */
  closed = false;

  /** Ends all waiting polls. */
  close(): void {
    this.closed = true;
    this.#changed();
    for (const mailbox of this.mailboxes.values()) mailbox.close();
  }

  #requireMember(site: string): void {
    if (this.options.sites.includes(site)) return;
    throw new FedKimError("AuthenticationError", "The site is not part of this federation.", { found: site });
  }

  /** Waits until enough sites fulfil a condition, looking again whenever a site calls. */
  async #until(
    holds: (site: string) => boolean,
    count: number,
    summary: string,
    code: "NetworkError" | "BelowThreshold",
    enough: number = count,
  ): Promise<void> {
    const { sites, signal, joinDeadlineMs } = this.options;
    const deadline = Date.now() + joinDeadlineMs;
    while (sites.filter(holds).length < count) {
      signal.throwIfAborted();
      if (this.#refusal !== undefined) throw this.#refusal;
      if (Date.now() > deadline) {
        if (sites.filter(holds).length >= enough) return;
        throw new FedKimError(code, summary, {
          found: `nothing from ${sites.filter((site) => !holds(site)).join(", ")}`,
          needed: `an answer within ${joinDeadlineMs / 1000} s`,
          remedy: "start these sites' clients and look at their logs",
        });
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 500);
        this.#waiting = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

/** The plan for those who take part; for all others the run is over. */
function planLetter(plan: OfferedPlan, site: string): Letter {
  if (takesPart(plan, site)) return { sequence: PLAN_SEQUENCE, kind: "plan", round: 0, body: plan.sealed };
  return { sequence: doneSequence(plan.steps), kind: "done", round: 0, body: new Uint8Array() };
}

function takesPart({ sites }: OfferedPlan, site: string): boolean {
  return sites === undefined || sites.includes(site);
}

function notJoined(): FedKimError {
  return new FedKimError("UnexpectedMessage", "The site has not joined.", {
    reason: "not_joined",
    remedy: "start the client again",
  });
}
