import type { Graph } from "./graph.ts";
import type { WireForm } from "./ring_vector.ts";
import { defaultMinimumSurvivors, defaultThreshold } from "./graph_params.ts";
import { checkRoundConfig } from "./round_config_check.ts";

/**
 * How much the protocol defends against.
 * - `curious`: the server follows the protocol (laboratory only);
 * - `default`: the server may lie, but split views of the survivors are only bounded, not detected;
 * - `strict`: adds the signed survivor round, so split views are refused.
 */
export type Profile = "curious" | "default" | "strict";

/** Everything that the sites of one round agree on. Its hash is part of the session id. */
export interface RoundConfig {
  /** Name of the task, at most 255 bytes of UTF-8. */
  readonly taskId: string;
  /** Number of the round: a safe integer >= 0. */
  readonly roundId: number;
  /** Threat model. */
  readonly profile: Profile;
  /** Who shares secrets with whom. */
  readonly graph: Graph;
  /** Sharing threshold t: shares needed to reconstruct a secret. Not the same as `nMin`. */
  readonly threshold: number;
  /** Smallest number of sites whose sum may be revealed. */
  readonly nMin: number;
  /** Largest number of sites that may join. */
  readonly nMax: number;
  /** Number c of sites that are assumed to collude with the server, at least 1 outside `curious`. */
  readonly colluders: number;
  /** Fraction of corrupt sites that the ring graph is sized for, in millionths; unused on the full graph. */
  readonly gammaMillionths: number;
  /** {@link enrolledHash} of the enrolled sites, 32 bytes. */
  readonly enrolledHash: Uint8Array;
  /** SHA-256 of the model the update belongs to, 32 bytes. */
  readonly modelHash: Uint8Array;
  /** SHA-256 of the signed round plan or differential-privacy plan, 32 bytes. */
  readonly planHash: Uint8Array;
  /** Number d of coordinates of the masked vector, counts and metrics included. */
  readonly dimension: number;
  /** Bits b of the ring Z / 2^b, 8 to 32. */
  readonly ringBits: number;
  /** How a coordinate travels. */
  readonly wireForm: WireForm;
  /** Coordinates of one uploaded chunk, a multiple of 16; the last chunk may be shorter. */
  readonly chunkCoordinates: number;
  /** Largest absolute value of one coordinate of one site, noise included. */
  readonly coordinateBound: number;
}

/** What a caller must say, and may say, to make a {@link RoundConfig}. */
export type RoundConfigFields =
  & Pick<
    RoundConfig,
    | "taskId"
    | "roundId"
    | "nMax"
    | "enrolledHash"
    | "modelHash"
    | "planHash"
    | "dimension"
    | "coordinateBound"
  >
  & Partial<Omit<RoundConfig, "gammaMillionths">>
  & {
    /** Fraction of corrupt sites that the ring graph is sized for; default 0.1. */
    readonly gamma?: number;
  };

/** 2^20 coordinates: 4 MiB in 32-bit words. */
const DEFAULT_CHUNK_COORDINATES = 1 << 20;

/**
 * Makes a checked configuration. Defaults: `strict`, full graph, {@link defaultThreshold},
 * {@link defaultMinimumSurvivors}, one colluder, 32-bit ring in 32-bit words.
 * @throws FedKimError ConfigError if anything is inconsistent, unsafe or could overflow the ring
 */
export function makeRoundConfig(fields: RoundConfigFields): RoundConfig {
  const { gamma = 0.1, ...given } = fields;
  const profile = given.profile ?? "strict";
  const threshold = given.threshold ?? defaultThreshold(given.nMax, profile);
  const config: RoundConfig = {
    profile,
    graph: { kind: "full" },
    threshold,
    nMin: defaultMinimumSurvivors(given.nMax, threshold),
    colluders: profile === "curious" ? 0 : 1,
    gammaMillionths: Math.round(gamma * 1e6),
    ringBits: 32,
    wireForm: "word32",
    chunkCoordinates: DEFAULT_CHUNK_COORDINATES,
    ...given,
  };
  checkRoundConfig(config);
  return config;
}

/** The chunks of the masked vector: how many, and how many coordinates chunk `number` has. */
export function chunkCount(config: RoundConfig): number {
  return Math.ceil(config.dimension / config.chunkCoordinates);
}

/** First coordinate and number of coordinates of chunk `number`. */
export function chunkRange(config: RoundConfig, number: number): { start: number; length: number } {
  const start = number * config.chunkCoordinates;
  return { start, length: Math.min(config.chunkCoordinates, config.dimension - start) };
}
