import { decodeSum } from "../dp/mod.ts";
import { unflatten } from "../local/mod.ts";
import { saveInjection } from "../m3oe/mod.ts";
import { defaultThreshold } from "../secure_agg/mod.ts";
import { sha256Hex } from "../formats/canonical_json.ts";
import { FedKimError } from "../formats/errors.ts";
import { toHex } from "../formats/hex.ts";
import type { OnProgress } from "../formats/progress.ts";
import { VERSION } from "../formats/version.ts";
import {
  evaluateFolder,
  type EvaluationResult,
  flatStart,
  injectKnowledge,
  publicValidation,
} from "./aggregator_results.ts";
import type { AggregatorDesk } from "./aggregator_app.ts";
import type { ArtefactStore } from "./artefact_store.ts";
import { minimumSites } from "./cohort.ts";
import type { AggregatorConfig } from "./config.ts";
import type { EnrollmentBook, LedgerHead } from "./enrollment_book.ts";
import { type FederationPlan, federationPlanHash, sealPlan } from "./federation_plan.ts";
import { encodeFlat } from "./flat_model.ts";
import { type CountersignedHead, countersignHead } from "./ledger_head.ts";
import { type Letter, Mailbox } from "./mailbox.ts";
import { makeDpPlan, preparePublic, type PublicStage } from "./public_stage.ts";
import { rosterOf, roundConfigOf, sealRoundOrder } from "./round_order.ts";
import { RoundSession } from "./round_session.ts";
import type { RunFolder } from "./run_folder.ts";
import { initServerOptimizer, serverStep } from "./server_optimizer.ts";
import { serverOptimizerOf } from "./server_defaults.ts";
import { UNACCOUNTED_RELEASES } from "./unaccounted.ts";
import { encodeWeights } from "./weights_file.ts";

/** Steps in a row that may abort before the federation gives up. */
const MAX_ABORTS_IN_A_ROW = 3;
/** Public validation of the local heads happens this many times over the schedule. */
const VALIDATIONS = 10;
/** How long the aggregator stays up for sites to fetch their last letter, milliseconds. */
const FAREWELL_MS = 5_000;

/** What an aggregator needs. */
export interface AggregatorOptions {
  /** Its configuration. */
  readonly config: AggregatorConfig;
  /** Enrolled sites and its own identity. */
  readonly book: EnrollmentBook;
  /** What sites fetch by hash. */
  readonly artefacts: ArtefactStore;
  /** Where plan, metrics, checkpoints and results go. */
  readonly run: RunFolder;
  /** Receives progress. */
  readonly onProgress: OnProgress;
  /** Stops it. */
  readonly signal: AbortSignal;
}

/** A federation from enrolment to evaluation; {@link aggregatorApp} is its face to the network. */
export class Aggregator implements AggregatorDesk {
  #mailboxes = new Map<string, Mailbox>();
  #present = new Set<string>();
  #accepted = new Set<string>();
  #sealedPlan: Uint8Array | undefined;
  #session: { readonly round: number; readonly session: RoundSession } | undefined;
  #refusal: FedKimError | undefined;
  #stage = "starting";
  #round = 0;
  #changed: () => void = () => {};

  /** @param options see {@link AggregatorOptions} */
  constructor(private readonly options: AggregatorOptions) {}

  /** See {@link AggregatorDesk}. */
  async join(site: string, head: LedgerHead): Promise<{ head: CountersignedHead | null; newest: number }> {
    const { config, book } = this.options;
    if (!config.sites.includes(site)) {
      throw new FedKimError("AuthenticationError", "The site is not part of this federation.", {
        found: site,
      });
    }
    const known = book.headOf(site);
    await book.recordHead(site, head);
    const mailbox = this.#mailboxes.get(site) ?? new Mailbox();
    this.#mailboxes.set(site, mailbox);
    mailbox.clear();
    const newest = mailbox.newest;
    this.#accepted.delete(site);
    if (this.#sealedPlan !== undefined) mailbox.post("plan", 0, this.#sealedPlan);
    this.options.onProgress({ stage: "join", done: this.#mailboxes.size, total: config.sites.length });
    this.#changed();
    return { head: known === undefined ? null : countersignHead(site, known, book.identity), newest };
  }

  /** See {@link AggregatorDesk}. */
  planAnswer(site: string, answer: { planHash: string; accepted: boolean; code?: string | undefined }): void {
    if (answer.accepted) {
      this.#accepted.add(site);
      this.#present.add(site);
      this.options.onProgress({
        stage: "accept",
        done: this.#accepted.size,
        total: this.options.config.sites.length,
      });
    } else {
      this.#refusal = new FedKimError("PolicyRefused", `The site ${site} refuses the plan.`, {
        found: answer.code ?? "no reason given",
        remedy: "the site's own log says why; change the plan or ask the site to change its policy",
      });
    }
    this.#changed();
  }

  /** See {@link AggregatorDesk}. */
  roundMessage(site: string, round: number, bytes: Uint8Array): void {
    if (this.#session?.round !== round) {
      throw new FedKimError("UnexpectedMessage", "This step is not in progress.", { found: `step ${round}` });
    }
    this.#present.add(site);
    this.#session.session.receive(site, bytes);
  }

  /** See {@link AggregatorDesk}. */
  async nextLetter(site: string, after: number, timeoutMs: number): Promise<Letter | undefined> {
    const mailbox = this.#mailboxes.get(site);
    if (mailbox === undefined) {
      throw new FedKimError("UnexpectedMessage", "The site has not joined.", {
        remedy: "start the client again",
      });
    }
    return await mailbox.take(after, timeoutMs);
  }

  /** See {@link AggregatorDesk}. */
  status(): Record<string, unknown> {
    return {
      federation: this.options.config.federation,
      stage: this.#stage,
      step: this.#round,
      present: this.#present.size,
    };
  }

  /** Ends all waiting polls. */
  close(): void {
    for (const mailbox of this.#mailboxes.values()) mailbox.close();
  }

  /** Runs the whole federation. @throws FedKimError with the code of whatever ended it early */
  async run(): Promise<FederationResult> {
    const { config, run, onProgress } = this.options;
    const started = performance.now();
    this.#stage = "public pre-training";
    const stage = await preparePublic(config, onProgress);
    const plan = await this.#agree(stage);
    await run.json("run", {
      plan,
      planHash: federationPlanHash(plan),
      config,
      versions: { fedkim: VERSION, deno: Deno.version.deno, v8: Deno.version.v8 },
      startedAt: new Date().toISOString(),
    });
    this.#stage = "aggregation";
    const flat = await this.#aggregate(stage, plan);
    const weights = unflatten(stage.spec, stage.base, flat);
    await Deno.writeFile(run.file("weights"), encodeWeights(weights));
    this.#tellAll("done", new Uint8Array());
    this.#stage = "injection";
    const injected = await injectKnowledge(stage, weights, {
      seed: config.seed,
      epochs: config.injection.epochs,
    }, onProgress);
    await saveInjection(injected.model, run.file("injection"));
    this.#stage = "evaluation";
    const evaluation = config.data.test === undefined
      ? undefined
      : await evaluateFolder(config.data.test, stage, weights, injected, onProgress);
    const result: FederationResult = {
      run: run.path,
      planHash: federationPlanHash(plan),
      steps: plan.dp.request.steps,
      seconds: (performance.now() - started) / 1000,
      trainable: injected.model.summary,
      thresholds: injected.thresholds,
      routing: await injected.model.routing(),
      ...(evaluation === undefined ? {} : { tasks: evaluation }),
    };
    await run.json("evaluation", result);
    this.#stage = "finished";
    await this.#farewell();
    return result;
  }

  /** Waits for the sites, signs the plan, and waits until all of them have accepted it. */
  async #agree(stage: PublicStage): Promise<FederationPlan> {
    const { config, book, artefacts } = this.options;
    const total = config.sites.length;
    this.#stage = "waiting for sites";
    await this.#until(
      () => this.#mailboxes.size === total,
      "Not every site has joined.",
      () => config.sites.filter((site) => !this.#mailboxes.has(site)),
    );
    const plan: FederationPlan = {
      format: "fedkim-plan/1",
      federation: config.federation,
      mode: "distributed",
      roster: config.sites.map((site) => ({ site, publicKey: toHex(book.publicKeyOf(site)!) })),
      tasks: [...stage.tasks],
      model: {
        spec: stage.spec,
        baseWeights: artefacts.put(encodeWeights(stage.base)),
        textTable: artefacts.put(stage.textTable),
      },
      dp: makeDpPlan(config, stage),
      secureAggregation: {
        profile: "strict",
        threshold: defaultThreshold(total, "strict"),
        nMin: minimumSites(config),
        colluders: config.privacy.colluders,
        chunkCoordinates: Math.max(16, Math.floor(config.rounds.chunkBytes / 64) * 16),
      },
      unaccounted: [...UNACCOUNTED_RELEASES],
    };
    this.#sealedPlan = sealPlan(plan, book.identity);
    this.#tellAll("plan", this.#sealedPlan);
    await this.#until(
      () => this.#accepted.size === total,
      "Not every site has accepted the plan.",
      () => config.sites.filter((site) => !this.#accepted.has(site)),
    );
    return plan;
  }

  /** All aggregation steps; returns the federated parameters after the last one. */
  async #aggregate(stage: PublicStage, plan: FederationPlan): Promise<Float64Array> {
    const { config, run, onProgress, artefacts } = this.options;
    const steps = plan.dp.request.steps;
    const { flat: anchor, dimension } = flatStart(stage);
    const optimizer = serverOptimizerOf(config, steps);
    let flat = anchor;
    let state = initServerOptimizer(dimension);
    let aborts = 0;
    let detail = await this.#validate(stage, flat, 0);
    for (let round = 1; round <= steps; round++) {
      this.#round = round;
      const model = encodeFlat(flat);
      const modelHash = artefacts.put(model);
      const outcome = await this.#step(plan, round, modelHash);
      artefacts.delete(modelHash);
      if (outcome.kind === "aborted") {
        await run.metric({ kind: "aborted", round, error: outcome.error.message });
        this.#tellAll("abort", new TextEncoder().encode(outcome.error.message), round);
        if (++aborts >= MAX_ABORTS_IN_A_ROW) throw outcome.error;
        continue;
      }
      aborts = 0;
      const gradient = decodeSum(plan.dp, outcome.sum).map((value) =>
        value / plan.dp.request.maxUnitsPerStep
      );
      ({ state, parameters: flat } = serverStep(optimizer, state, flat, anchor, gradient));
      await run.metric({
        kind: "step",
        round,
        sites: outcome.survivors.length,
        transcript: toHex(outcome.transcript),
        sumHash: sha256Hex(
          new Uint8Array(outcome.sum.buffer, outcome.sum.byteOffset, outcome.sum.byteLength),
        ),
      });
      if (round % Math.ceil(steps / VALIDATIONS) === 0 || round === steps) {
        detail = await this.#validate(stage, flat, round);
        await Deno.writeFile(run.file("weights"), encodeWeights(unflatten(stage.spec, stage.base, flat)));
      }
      onProgress({ stage: "step", done: round, total: steps, detail });
    }
    return flat;
  }

  /** One secure aggregation, with whoever is present. */
  async #step(plan: FederationPlan, round: number, modelHash: string): ReturnType<RoundSession["run"]> {
    const { config, book, signal } = this.options;
    const nMin = plan.secureAggregation.nMin;
    await this.#until(
      () => this.#present.size >= nMin,
      "Too few sites are left to form a sum.",
      () => config.sites.filter((site) => !this.#present.has(site)),
      "BelowThreshold",
    );
    const roundConfig = roundConfigOf(plan, round, modelHash);
    const session = new RoundSession({
      config: roundConfig,
      enrolled: rosterOf(plan),
      mailboxes: this.#mailboxes,
      present: this.#present,
      phaseDeadlineMs: config.rounds.phaseDeadlineMs,
      stateFolder: config.state,
    });
    this.#session = { round, session };
    this.#tellAll("round", sealRoundOrder(roundConfig, book.identity), round);
    try {
      return await session.run(signal);
    } finally {
      this.#session = undefined;
      for (const site of session.missing) this.#present.delete(site);
    }
  }

  async #validate(stage: PublicStage, flat: Float64Array, round: number): Promise<string> {
    const curve = await publicValidation(stage, unflatten(stage.spec, stage.base, flat));
    const values = Object.values(curve);
    const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
    await this.options.run.metric({
      kind: "validation",
      round,
      split: "public validation",
      auroc: curve,
      mean,
    });
    return `public validation AUROC ${mean.toFixed(3)}`;
  }

  #tellAll(kind: "plan" | "round" | "abort" | "done", body: Uint8Array, round = 0): void {
    for (const mailbox of this.#mailboxes.values()) mailbox.post(kind, round, body);
  }

  /** Waits until a condition holds, looking again whenever a site calls. */
  async #until(
    condition: () => boolean,
    summary: string,
    missing: () => readonly string[],
    code: "NetworkError" | "BelowThreshold" = "NetworkError",
  ): Promise<void> {
    const deadline = Date.now() + this.options.config.rounds.joinDeadlineMs;
    while (!condition()) {
      this.options.signal.throwIfAborted();
      if (this.#refusal !== undefined) throw this.#refusal;
      if (Date.now() > deadline) {
        throw new FedKimError(code, summary, {
          found: `nothing from ${missing().join(", ")}`,
          needed: `an answer within ${this.options.config.rounds.joinDeadlineMs / 1000} s`,
          remedy: "start these sites' clients and look at their logs",
        });
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 500);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Stays up until every present site has fetched its last letter. */
  async #farewell(): Promise<void> {
    const deadline = Date.now() + FAREWELL_MS;
    const open = () => [...this.#present].some((site) => !this.#mailboxes.get(site)!.emptied);
    while (open() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What a finished federation gives. */
export interface FederationResult {
  /** The run's folder. */
  readonly run: string;
  /** Hash of the signed plan. */
  readonly planHash: string;
  /** Aggregation steps of the schedule. */
  readonly steps: number;
  /** Wall-clock seconds from start to result. */
  readonly seconds: number;
  /** Trained and frozen parameters of the injection. */
  readonly trainable: unknown;
  /** Decision thresholds by task, from public validation. */
  readonly thresholds: Readonly<Record<string, number>>;
  /** Gate weights by task. */
  readonly routing: unknown;
  /** Results on the test folder. */
  readonly tasks?: EvaluationResult;
}
