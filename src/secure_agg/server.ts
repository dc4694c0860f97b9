import { equalBytes } from "./_bytes.ts";
import { type ChunkStage, memoryStage } from "./chunk_stage.ts";
import { decodeMessage, encodeMessage } from "./codec.ts";
import type { CryptoProvider } from "./crypto_provider.ts";
import { protocolAbort, SecAggError, unexpectedMessage } from "./errors.ts";
import type { Enrolled } from "./identity.ts";
import { defaultEngine, type MaskEngine } from "./mask_engine.ts";
import { nativeProvider } from "./native_provider.ts";
import type { RoundConfig } from "./round_config.ts";
import { checkRoundConfig } from "./round_config_check.ts";
import { roundConfigHash } from "./round_config_codec.ts";
import { releaseUpload } from "./server_masked_input.ts";
import type { RoundResult, ServerState } from "./server_state.ts";
import {
  acceptMessage,
  answeredClients,
  closePhase,
  expectedClients,
  messageOnFile,
  outboundMaker,
} from "./server_transition.ts";

/** Everything that changes a server: replaying the events in order gives the same server again. */
export type ServerEvent =
  | {
    /** A message was accepted. */
    readonly kind: "message";
    /** Authenticated sender. */
    readonly clientId: string;
    /** The message. */
    readonly bytes: Uint8Array;
  }
  | {
    /** An upload that did not go on lost its place; see {@link SecAggServer.releaseUpload}. */
    readonly kind: "release";
    /** Whose upload. */
    readonly clientId: string;
  }
  | {
    /** The phase was ended. */
    readonly kind: "close";
  };

/** What a server brings into a round. */
export interface SecAggServerOptions {
  /** The round, from the signed plan. */
  readonly config: RoundConfig;
  /** The pinned keys of all enrolled sites. */
  readonly enrolled: Enrolled;
  /**
   * Called with every event before its effect can be seen. Make it durable here: U1 and U2 are then on disk before
   * the first message that depends on them leaves.
   */
  readonly record?: (event: ServerEvent) => void;
  /** Cryptography; `native` by default. */
  readonly provider?: CryptoProvider;
  /** Mask expansion. */
  readonly engine?: MaskEngine;
  /** Where chunks wait for their commit; in memory by default. */
  readonly stage?: ChunkStage;
  /** Uploads in flight at a time, default 8; further ones are answered `busy`. Bounds the stage. */
  readonly maxStagedVectors?: number;
}

/** What became of a message. */
export type Receipt =
  | {
    /** Taken, or the very same message was taken before. */
    readonly kind: "accepted" | "duplicate";
  }
  | {
    /** Too many uploads in flight: send this chunk again later. */
    readonly kind: "busy";
  }
  | {
    /** Not taken; the round goes on without it. */
    readonly kind: "refused";
    /** Why, with evidence. */
    readonly error: SecAggError;
  };

const DEFAULT_STAGED_VECTORS = 8;

/** The server of one round: takes authenticated bytes at any time, closes a phase on demand, yields the exact sum. */
export class SecAggServer {
  #maxStagedVectors: number;
  /** SHA-256 of every accepted message but chunks, by sender and type: a repeat is not an error. */
  readonly #accepted = new Map<string, Uint8Array>();
  readonly #gone = new Set<string>();
  readonly #provider: CryptoProvider;
  #record: (event: ServerEvent) => void;
  #state: ServerState;
  #closing = false;

  /**
   * Opens a round in phase `advertise_keys`.
   * @throws FedKimError ConfigError if the configuration is unsafe
   */
  constructor(options: SecAggServerOptions) {
    const provider = options.provider ?? nativeProvider;
    checkRoundConfig(options.config);
    this.#record = options.record ?? (() => {});
    this.#maxStagedVectors = options.maxStagedVectors ?? DEFAULT_STAGED_VECTORS;
    this.#provider = provider;
    this.#state = {
      phase: "advertise_keys",
      context: {
        config: options.config,
        configHash: roundConfigHash(options.config, provider),
        enrolled: options.enrolled,
        provider,
        engine: options.engine ?? defaultEngine(provider),
        stage: options.stage ?? memoryStage(),
      },
      adverts: new Map(),
      usedKeys: new Set(),
    };
  }

  /** Rebuilds a server after a crash from its recorded events, and records from then on. */
  static async replay(
    options: SecAggServerOptions,
    events: Iterable<ServerEvent> | AsyncIterable<ServerEvent>,
  ): Promise<SecAggServer> {
    const server = new SecAggServer({ ...options, record: () => {}, maxStagedVectors: Infinity });
    for await (const event of events) {
      if (event.kind === "close") await server.close();
      else if (event.kind === "release") server.releaseUpload(event.clientId);
      else server.receive(event.clientId, event.bytes);
    }
    server.#record = options.record ?? (() => {});
    server.#maxStagedVectors = options.maxStagedVectors ?? DEFAULT_STAGED_VECTORS;
    return server;
  }

  /** The phase the round is in. */
  get phase(): ServerState["phase"] {
    return this.#state.phase;
  }

  /** The session id, once the roster is fixed and until the round is over. */
  get sid(): Uint8Array | undefined {
    return "session" in this.#state ? this.#state.session.sid : undefined;
  }

  /** Client ids that may still speak in this phase, sorted; those that gave up are left out. */
  get expected(): readonly string[] {
    return expectedClients(this.#state).filter((id) => !this.#gone.has(id));
  }

  /** Client ids that have said in this phase all there is to say. */
  get answered(): readonly string[] {
    return answeredClients(this.#state);
  }

  /** True if everybody who is expected has answered: the phase can be closed before its deadline. */
  get complete(): boolean {
    const answered = new Set(this.answered);
    if (this.#state.phase === "advertise_keys" && answered.size === this.#state.context.config.nMax) {
      return true;
    }
    const expected = this.expected;
    return expected.length > 0 && expected.every((id) => answered.has(id));
  }

  /** The sum, in phase `finished`. */
  get result(): RoundResult | undefined {
    return this.#state.phase === "finished" ? this.#state.result : undefined;
  }

  /** Why there is no sum, in phase `aborted`. */
  get error(): SecAggError | undefined {
    return this.#state.phase === "aborted" ? this.#state.error : undefined;
  }

  /** What this client must be sent in the present phase; undefined if there is nothing for it. */
  outboundFor(clientId: string): Uint8Array | undefined {
    return this.outboundMaker(clientId)?.();
  }

  /**
   * Makes what {@link SecAggServer.outboundFor} gives now, as often as it is asked and also after the phase: a thousand
   * rosters need not be in memory at once.
   */
  outboundMaker(clientId: string): (() => Uint8Array) | undefined {
    const make = outboundMaker(this.#state, clientId);
    return make && (() => encodeMessage(make()));
  }

  /**
   * Takes one message.
   * @param clientId the sender, authenticated by the caller
   * @param bytes untrusted
   */
  receive(clientId: string, bytes: Uint8Array): Receipt {
    if (this.#closing) return { kind: "busy" };
    try {
      return this.#receive(clientId, bytes);
    } catch (error) {
      if (error instanceof SecAggError) return { kind: "refused", error };
      throw error;
    }
  }

  #receive(clientId: string, bytes: Uint8Array): Receipt {
    const message = decodeMessage(bytes);
    const name = `${message.type} ${clientId}`;
    const hash = message.type === "masked_chunk" ? undefined : this.#provider.sha256(bytes);
    const before = this.#accepted.get(name);
    if (before !== undefined && hash !== undefined) {
      if (equalBytes(before, hash)) return { kind: "duplicate" };
      const onFile = messageOnFile(this.#state, clientId);
      throw protocolAbort("conflicting_message", "A site sent two different messages for one step.", {
        found: message.type,
        blamed: [clientId],
        evidence: onFile?.type === message.type ? [encodeMessage(onFile), bytes.slice()] : [bytes.slice()],
      });
    }
    if (message.type === "masked_chunk" && this.uploadRoom(clientId) <= 0) return { kind: "busy" };
    const acceptance = acceptMessage(this.#state, clientId, message, this.#gone);
    if (acceptance.kind === "duplicate") return acceptance;
    this.#record({ kind: "message", clientId, bytes });
    acceptance.apply();
    if (hash !== undefined) this.#accepted.set(name, hash);
    if (message.type === "abort") this.releaseUpload(clientId);
    return { kind: "accepted" };
  }

  /**
   * How many more uploads may begin before one of this client would be answered `busy`; Infinity where it has its place
   * already, or needs none.
   */
  uploadRoom(clientId: string): number {
    if (this.#state.phase !== "masked_input") return Infinity;
    const { uploads, indexOf, committed } = this.#state;
    const index = indexOf.get(clientId);
    // A committed site's chunks are duplicates and take no place.
    if (index === undefined || committed.has(index) || uploads.get(index)?.staged) return Infinity;
    let staged = 0;
    for (const upload of uploads.values()) if (upload.staged) staged++;
    return this.#maxStagedVectors - staged;
  }

  /**
   * Frees the place of an upload that does not go on: its staged chunks are forgotten, and the client may send the
   * same ones again. Without effect where nothing is staged, as after the commit.
   */
  releaseUpload(clientId: string): void {
    if (this.#state.phase !== "masked_input") return;
    const index = this.#state.indexOf.get(clientId);
    if (index === undefined || !this.#state.uploads.get(index)?.staged) return;
    this.#record({ kind: "release", clientId });
    releaseUpload(this.#state, index);
  }

  /**
   * Ends the present phase, at its deadline or when it is {@link complete}. The next phase is the following one of
   * the protocol, or `aborted` if too few sites are left; after `unmask` it is `finished`. A failure of this machine
   * aborts too, as the sum may be unmasked by half; what {@link SecAggServerOptions.record} throws changes nothing.
   */
  async close(): Promise<void> {
    if (this.#closing || this.#state.phase === "finished" || this.#state.phase === "aborted") {
      throw unexpectedMessage("close", "a round that is under way");
    }
    this.#closing = true;
    try {
      this.#record({ kind: "close" });
      this.#state = await closePhase(this.#state).catch((cause: unknown) => {
        const error = cause instanceof SecAggError ? cause : protocolAbort(
          "local_failure",
          "The server could not end a phase of the round.",
          { remedy: "see the cause; replay the recorded events, or start a new round", cause },
        );
        return { phase: "aborted", error };
      });
    } finally {
      this.#closing = false;
    }
  }
}
