import type { Blame } from "./blame.ts";
import type { CryptoProvider } from "./crypto_provider.ts";
import type { SecAggError } from "./errors.ts";
import type { Enrolled } from "./identity.ts";
import type { IndexSet } from "./index_set.ts";
import type { MaskEngine } from "./mask_engine.ts";
import type {
  AdvertiseKeysMessage,
  CommitVectorMessage,
  ShareKeysMessage,
  SurvivorSignature,
  UnmaskMessage,
} from "./messages.ts";
import type { RoundConfig } from "./round_config.ts";
import type { Session } from "./session.ts";
import type { ChunkStage } from "./chunk_stage.ts";

/** What the server brings into a round and never changes. */
export interface ServerContext {
  /** The round, already checked. */
  readonly config: RoundConfig;
  /** cfgHash. */
  readonly configHash: Uint8Array;
  /** The pinned keys of all enrolled sites. */
  readonly enrolled: Enrolled;
  /** Cryptography. */
  readonly provider: CryptoProvider;
  /** Mask expansion. */
  readonly engine: MaskEngine;
  /** Where chunks wait for their commit. */
  readonly stage: ChunkStage;
}

/** Keys are being advertised. */
export interface ServerAdvertising {
  /** Discriminator. */
  readonly phase: "advertise_keys";
  /** The round. */
  readonly context: ServerContext;
  /** Verified adverts by client id. */
  readonly adverts: Map<string, AdvertiseKeysMessage>;
  /** All advertised keys, in hexadecimal: none may come twice. */
  readonly usedKeys: Set<string>;
}

/** What the fixed roster adds. */
export interface ServerRoster {
  /** The round. */
  readonly context: ServerContext;
  /** Session id and graph. */
  readonly session: Session;
  /** Adverts by roster index. */
  readonly adverts: readonly AdvertiseKeysMessage[];
  /** Roster index by client id. */
  readonly indexOf: ReadonlyMap<string, number>;
}

/** Shares are coming in. */
export interface ServerSharing extends ServerRoster {
  /** Discriminator. */
  readonly phase: "share_keys";
  /** Hashes of the adverts by roster index. */
  readonly leaves: readonly Uint8Array[];
  /** Verified share messages by index. */
  readonly shares: Map<number, ShareKeysMessage>;
}

/** An upload that is not committed yet. */
export interface Upload {
  /** SHA-256 of every chunk received, by number. A chunk is never replaced by a different one. */
  readonly chunkHashes: Map<number, Uint8Array>;
  /** True while the stage holds chunks of this upload. */
  staged: boolean;
}

/** What the fixed set U1 adds. */
export interface ServerShared extends ServerRoster {
  /** U1. */
  readonly shared: IndexSet;
  /** Share messages of U1 by index. */
  readonly shares: ReadonlyMap<number, ShareKeysMessage>;
}

/** Masked vectors are coming in. */
export interface ServerCollecting extends ServerShared {
  /** Discriminator. */
  readonly phase: "masked_input";
  /** Open uploads by index. */
  readonly uploads: Map<number, Upload>;
  /** Sum of all committed masked vectors, mod 2^32: the only vector that the server keeps. */
  readonly accumulator: Uint32Array;
  /** Commit of every vector that is in the accumulator, by index. */
  readonly committed: Map<number, CommitVectorMessage>;
}

/** What the fixed set U2 adds. The shares are with their sites by now: of the share messages, the commitments stay. */
export interface ServerSummed extends ServerRoster {
  /** U1. */
  readonly shared: IndexSet;
  /** Commitments of U1 to their self-mask seeds, by index. */
  readonly commitments: ReadonlyMap<number, Uint8Array>;
  /** U2. */
  readonly survivors: IndexSet;
  /** Sum of the masked vectors of U2. */
  readonly accumulator: Uint32Array;
  /** Hash of all share messages and vectors. */
  readonly recordRoot: Uint8Array;
  /** Hash of the session up to U2. */
  readonly transcript: Uint8Array;
}

/** Signatures of U2 are coming in (`strict`). */
export interface ServerCertifying extends ServerSummed {
  /** Discriminator. */
  readonly phase: "sign_survivors";
  /** Verified signatures by index. */
  readonly signatures: Map<number, SurvivorSignature>;
}

/** Shares of one secret per site of U1 are coming in. */
export interface ServerUnmasking extends ServerSummed {
  /** Discriminator. */
  readonly phase: "unmask";
  /** Signatures by index: of U2 in `strict`, of U1 in `default`; empty in `curious`. */
  readonly signatures: ReadonlyMap<number, SurvivorSignature>;
  /** Verified answers by index. */
  readonly answers: Map<number, UnmaskMessage>;
}

/** What a round yields. */
export interface RoundResult {
  /** Sum of the survivors' vectors, d residues mod 2^b. */
  readonly sum: Uint32Array;
  /** Client ids whose vectors are in the sum, sorted. */
  readonly survivors: readonly string[];
  /** Hash of the session: configuration, keys, shares, masked vectors, U1 and U2; survivors sign it in `strict`. */
  readonly transcript: Uint8Array;
  /** Sites whose shares did not fit, with the role they are suspected in. */
  readonly blamed: readonly Blame[];
}

/** The sum is known. */
export interface ServerFinished {
  /** Discriminator. */
  readonly phase: "finished";
  /** The sum. */
  readonly result: RoundResult;
}

/** The round is given up without a sum. */
export interface ServerAborted {
  /** Discriminator. */
  readonly phase: "aborted";
  /** Why. */
  readonly error: SecAggError;
}

/** Any state of the server. */
export type ServerState =
  | ServerAdvertising
  | ServerSharing
  | ServerCollecting
  | ServerCertifying
  | ServerUnmasking
  | ServerFinished
  | ServerAborted;

/** A message passed every guard of its phase: the effect is still to be applied, after it was recorded. */
export type Acceptance =
  | {
    /** Discriminator. */
    readonly kind: "accept";
    /** Takes the message into the state's collections. */
    readonly apply: () => void;
  }
  | {
    /** This very message was taken before. */
    readonly kind: "duplicate";
  };
