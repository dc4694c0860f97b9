import type { RoundConfig } from "./round_config.ts";
import { wireBytes } from "./ring_vector.ts";

/** What one party costs in a round. */
export interface PartyCost {
  /** CPU seconds. */
  readonly cpuSeconds: number;
  /** Bytes sent and received. */
  readonly bytes: number;
  /** Bytes of vectors, states and messages held at a time. */
  readonly memoryBytes: number;
}

/** A cost model: what a round should cost, from its size alone. */
export interface CostModel {
  /** One surviving client. */
  readonly client: PartyCost;
  /** The server. */
  readonly server: PartyCost;
}

/** CPU seconds of the operations that the model counts: one core of a server of 2021, node:crypto. */
const UNIT = {
  agreement: 85e-6,
  verification: 45e-6,
  envelope: 20e-6,
  sharing: 0.65e-3,
  recovery: 20e-6,
  lagrange: 8e-9,
  rosterEntryRead: 0.5e-6,
  rosterEntryWritten: 0.25e-6,
  addition: 0.3e-9,
  unpacking: 1.6e-9,
};
/** Mask expansion in bytes a second. */
const EXPANSION = 2e9;
/** Bytes of the messages to and from a client for each neighbour, and of the roster for every other site. */
const NEIGHBOUR_BYTES = 400;
const ENTRY_BYTES = 33;
/** Signatures of a client that the server checks in `strict`, and agreements that tell its keys of low order. */
const SERVER_VERIFICATIONS = 5;
const SERVER_PROBES = 2;

/**
 * The model of the round, before it is run: a client reads the roster of n hashes, makes 2k agreements, checks k
 * signatures, opens and seals k envelopes, shares two secrets and expands k + 1 masks; the server writes n rosters,
 * checks the signatures and keys of n sites, adds n vectors, recovers n secrets (on the ring with coefficients of their
 * own each) and expands one mask per survivor and k per site that dropped out after sharing.
 */
export function costModel(
  config: Pick<RoundConfig, "dimension" | "wireForm">,
  cohort: { readonly n: number; readonly degree: number; readonly lateDrops: number },
): CostModel {
  const { dimension: d, wireForm } = config;
  const { n, degree: k, lateDrops } = cohort;
  const expansions = n - lateDrops + lateDrops * k * (1 - lateDrops / n);
  const bytes = wireBytes(wireForm, d) + NEIGHBOUR_BYTES * k + ENTRY_BYTES * n;
  const recovery = UNIT.recovery + (k < n - 1 ? UNIT.lagrange * k * k : 0);
  const adding = UNIT.addition + (wireForm === "packed20" ? UNIT.unpacking : 0);
  return {
    client: {
      cpuSeconds: 2 * k * UNIT.agreement + k * (UNIT.verification + UNIT.envelope) + 2 * UNIT.sharing +
        ((k + 1) * 4 * d) / EXPANSION + n * UNIT.rosterEntryRead,
      bytes,
      memoryBytes: Math.max(4 * d, ENTRY_BYTES * n) + 200 * k,
    },
    server: {
      cpuSeconds: n * d * adding + (expansions * 4 * d) / EXPANSION + lateDrops * k * UNIT.agreement +
        n * recovery + n * n * UNIT.rosterEntryWritten +
        n * (SERVER_VERIFICATIONS * UNIT.verification + SERVER_PROBES * UNIT.agreement),
      bytes: n * bytes,
      memoryBytes: 4 * d + 120 * n * k,
    },
  };
}
