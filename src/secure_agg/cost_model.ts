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
  addition: 0.3e-9,
  unpacking: 1.6e-9,
};
/** Mask expansion in bytes a second. */
const EXPANSION = 2e9;

/**
 * The model of the round, before it is run: a client makes 2k agreements, checks k signatures, opens and seals k
 * envelopes, shares two secrets and expands k + 1 masks; the server adds n vectors and expands one mask per survivor
 * and k per site that dropped out after sharing.
 */
export function costModel(
  config: Pick<RoundConfig, "dimension" | "wireForm">,
  cohort: { readonly n: number; readonly degree: number; readonly lateDrops: number },
): CostModel {
  const { dimension: d, wireForm } = config;
  const { n, degree: k, lateDrops } = cohort;
  const expansions = n - lateDrops + lateDrops * k * (1 - lateDrops / n);
  const upload = wireBytes(wireForm, d);
  const adding = UNIT.addition + (wireForm === "packed20" ? UNIT.unpacking : 0);
  return {
    client: {
      cpuSeconds: 2 * k * UNIT.agreement + k * (UNIT.verification + UNIT.envelope) + 2 * UNIT.sharing +
        ((k + 1) * 4 * d) / EXPANSION,
      bytes: upload + 300 * k,
      memoryBytes: 4 * d + 200 * k,
    },
    server: {
      cpuSeconds: n * d * adding + (expansions * 4 * d) / EXPANSION + lateDrops * k * UNIT.agreement +
        n * UNIT.recovery,
      bytes: n * (upload + 300 * k),
      memoryBytes: 4 * d + 120 * n * k,
    },
  };
}
