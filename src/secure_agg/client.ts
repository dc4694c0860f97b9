import { cryptoRandomBytes, type RandomBytes } from "../formats/random_bytes.ts";
import { equalBytes } from "./_bytes.ts";
import { advertiseKeys } from "./client_advertise_keys.ts";
import { type ClientContext, type ClientState, wipeClientState } from "./client_state.ts";
import { abortClient, type ClientEffects, type ClientTransition, stepClient } from "./client_transition.ts";
import { decodeMessage, messageType } from "./codec.ts";
import type { CryptoProvider } from "./crypto_provider.ts";
import { type AbortReason, protocolAbort, SecAggError, unexpectedMessage } from "./errors.ts";
import { type FrozenVectorStore, sessionName } from "./frozen_vector.ts";
import type { Enrolled, Identity } from "./identity.ts";
import { defaultEngine, type MaskEngine } from "./mask_engine.ts";
import { nativeProvider } from "./native_provider.ts";
import type { RoundConfig } from "./round_config.ts";
import { checkRoundConfig } from "./round_config_check.ts";
import { roundConfigHash } from "./round_config_codec.ts";

/** What a site brings into a round. */
export interface SecAggClientOptions {
  /** The round, from the signed plan. */
  readonly config: RoundConfig;
  /** The site's identity. */
  readonly identity: Identity;
  /** The pinned keys of all enrolled sites. */
  readonly enrolled: Enrolled;
  /**
   * Gives the site's vector: d canonical residues mod 2^b within the agreed bound; what lies outside is taken to the
   * bound and counted, see {@link SecAggClient.saturatedCoordinates}. Called exactly once, after the shares of the others
   * are verified. The array is taken over: it is empty for the caller afterwards.
   */
  readonly input: () => Uint32Array | Promise<Uint32Array>;
  /** Keeps the frozen vector for a resumed upload; without it a crash ends the session for this site. */
  readonly vectorStore?: FrozenVectorStore;
  /** Source of secret bytes; the operating system's by default. */
  readonly random?: RandomBytes;
  /** Cryptography; `native` by default. */
  readonly provider?: CryptoProvider;
  /** Mask expansion. */
  readonly engine?: MaskEngine;
}

/** What a client answers to a message. */
export type ClientStep =
  | {
    /** Discriminator. */
    readonly kind: "next";
    /** The phase the client is in now. */
    readonly phase: ClientPhase;
    /** Messages to send to the server, in order; can be iterated again for a retry. */
    readonly outbound: Iterable<Uint8Array>;
  }
  | {
    /** Discriminator. */
    readonly kind: "abort";
    /** Why the session is given up. */
    readonly error: SecAggError;
    /** An abort message for the server, or nothing. */
    readonly outbound: Iterable<Uint8Array>;
  };

/** Reasons that are no fault of the server. */
const OWN_REASONS: ReadonlySet<AbortReason> = new Set<AbortReason>([
  "input_length",
  "local_failure",
  "bad_randomness",
  "server_aborted",
]);

/** Where a client is. */
export type ClientPhase = "start" | ClientState["kind"];

/** One site in one round: takes the server's bytes, gives bytes for the server. */
export class SecAggClient {
  readonly #context: ClientContext;
  readonly #effects: ClientEffects;
  readonly #vectorStore: FrozenVectorStore | undefined;
  readonly #handled = new Map<string, { bytes: Uint8Array; outbound: Iterable<Uint8Array> }>();
  #state: ClientState | undefined;
  #saturated = 0;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Makes a client that has not spoken yet.
   * @throws FedKimError ConfigError if the configuration is unsafe
   */
  constructor(options: SecAggClientOptions) {
    const provider = options.provider ?? nativeProvider;
    checkRoundConfig(options.config);
    this.#context = {
      config: options.config,
      configHash: roundConfigHash(options.config, provider),
      identity: options.identity,
      enrolled: options.enrolled,
      provider,
      random: options.random ?? cryptoRandomBytes,
    };
    this.#effects = { input: options.input, engine: options.engine ?? defaultEngine(provider) };
    this.#vectorStore = options.vectorStore;
  }

  /** Where this client is. */
  get phase(): ClientPhase {
    return this.#state?.kind ?? "start";
  }

  /**
   * Coordinates of this site's vector that lay outside the agreed bound and were taken to it; 0 for a caller that
   * encodes as the plan says. For the site's own log: it depends on records, and the server never learns it.
   */
  get saturatedCoordinates(): number {
    return this.#saturated;
  }

  /** The session id, once the roster is verified. */
  get sid(): Uint8Array | undefined {
    const state = this.#state;
    if (state === undefined || state.kind === "awaiting_roster" || state.kind === "aborted") return undefined;
    return state.kind === "done" ? state.sid : state.session.sid;
  }

  /**
   * Starts the round: the signed advert of fresh keys.
   * @throws SecAggError if this site is not enrolled as the configuration says, or on a second call
   */
  begin(): Uint8Array {
    if (this.#state !== undefined) throw unexpectedMessage("begin", "one call per session");
    const step = advertiseKeys(this.#context);
    if (step.kind === "abort") throw step.error;
    this.#state = step.state;
    return step.outbound;
  }

  /**
   * Takes one message of the server. A repeated message gives the first answer again; a different message of a kind
   * that was handled before ends the session, with both kept as evidence. Calls are handled one after another.
   */
  receive(bytes: Uint8Array): Promise<ClientStep> {
    const result = this.#last.then(() => this.#receive(bytes));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #receive(bytes: Uint8Array): Promise<ClientStep> {
    if (this.#state === undefined) throw unexpectedMessage("a message", "begin() first");
    if (this.#state.kind === "aborted") return { kind: "abort", error: this.#state.error, outbound: [] };
    const type = messageType(bytes) ?? "";
    const before = this.#handled.get(type);
    if (before !== undefined) {
      if (equalBytes(before.bytes, bytes)) return this.#answer(before.outbound);
      return this.#settle(abortClient(
        this.#state,
        protocolAbort("conflicting_message", "The server sent two different messages for one step.", {
          found: type,
          evidence: [before.bytes, bytes.slice()],
        }),
      ));
    }
    const settled = await this.#step(this.#state, bytes);
    if (settled.kind === "abort") {
      this.#handled.clear();
      return settled;
    }
    // Once the survivors are fixed nobody asks for the vector again: let it go.
    const upload = this.#handled.get("deliver_shares");
    if (upload !== undefined) this.#handled.set("deliver_shares", { bytes: upload.bytes, outbound: [] });
    this.#handled.set(type, { bytes: bytes.slice(), outbound: settled.outbound });
    return settled;
  }

  /** Whatever goes wrong in a step ends the session: a step is never made twice. */
  async #step(state: ClientState, bytes: Uint8Array): Promise<ClientStep> {
    try {
      const transition = await stepClient(state, decodeMessage(bytes), this.#effects);
      const { state: next, outbound } = transition;
      this.#saturated += transition.saturated ?? 0;
      const settled = next.kind === "aborted"
        ? { ...next, error: this.#withEvidence(next.error, bytes) }
        : next;
      return await this.#settle({ state: settled, outbound });
    } catch (cause) {
      const error = cause instanceof SecAggError ? cause : protocolAbort(
        "local_failure",
        "This site could not make its part of the round.",
        { remedy: "see the cause; the next round starts afresh", cause },
      );
      return await this.#settle(abortClient(state, this.#withEvidence(error, bytes)));
    }
  }

  /** What the server said last and what it says now: a refusal is about the one, or about both together. */
  #withEvidence(error: SecAggError, bytes: Uint8Array): SecAggError {
    if (OWN_REASONS.has(error.reason)) return error;
    const before = [...this.#handled.values()].slice(-1).map((message) => message.bytes);
    return error.withEvidence([...before, bytes.slice()]);
  }

  /** Takes the new state; a vector that was just masked is stored before any of its messages can leave. */
  async #settle({ state, outbound }: ClientTransition): Promise<ClientStep> {
    const masked = this.#state?.kind === "awaiting_shares" && state.kind !== "aborted";
    if (masked && this.#vectorStore !== undefined) {
      try {
        await this.#vectorStore.save(sessionName(this.sid!), outbound);
      } catch (error) {
        wipeClientState(state);
        throw error;
      }
    }
    this.#state = state;
    return this.#answer(outbound);
  }

  #answer(outbound: Iterable<Uint8Array>): ClientStep {
    const state = this.#state!;
    return state.kind === "aborted"
      ? { kind: "abort", error: state.error, outbound }
      : { kind: "next", phase: state.kind, outbound };
  }
}
