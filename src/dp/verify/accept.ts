import type { AccountingRow } from "./parse.ts";

/** The interval in which an answer is right. */
export interface Accepted {
  /** Smallest right answer. */
  readonly low: number;
  /** Largest right answer. */
  readonly high: number;
}

function key(row: AccountingRow): string {
  return JSON.stringify([row.composition, row.delta, row.neighboring]);
}

function around(value: number, error: number): Accepted {
  return { low: value - error, high: value + error };
}

/** Lower bounds of PLD rows, by what they ask: Renyi rows of the same question may not fall below them. */
export function lowerBounds(rows: readonly AccountingRow[]): ReadonlyMap<string, number> {
  const bounds = new Map<string, number>();
  for (const row of rows) {
    if (row.accountant?.name !== "pld" || row.query !== "epsilon_at_delta") continue;
    bounds.set(key(row), pldLower(row));
  }
  return bounds;
}

function pldLower(row: AccountingRow): number {
  const epsilon = Number(row.epsilon);
  const given = row.epsilon_lower;
  return Math.max(0, typeof given === "number" ? given : 0.998 * epsilon - 0.005);
}

/**
 * The acceptance rules of the golden file, or undefined for a row that names no answer.
 * @param bounds from {@link lowerBounds}
 */
export function acceptedInterval(
  row: AccountingRow,
  bounds: ReadonlyMap<string, number>,
): Accepted | undefined {
  const epsilon = Number(row.epsilon);
  const delta = Number(row.delta);
  const name = row.accountant?.name;
  switch (row.query) {
    case "epsilon_at_delta":
      if (name === "analytic_gaussian") return around(epsilon, 1e-9 * Math.max(1, epsilon));
      if (name === "prv") return { low: Number(row.epsilon_lower), high: Number(row.epsilon_upper) };
      if (name === "rdp") {
        const high = epsilon * (1 + 1e-9);
        // A golden Renyi value below the PLD rule cannot be asked to lie above it (bounded-range mechanisms).
        const low = bounds.get(key(row)) ?? 0;
        return { low: low <= high ? low : 0, high };
      }
      return { low: bucketLower(row) ?? pldLower(row), high: epsilon * (1 + 5e-5) + 1e-6 };
    case "delta_at_epsilon":
      if (name === "rdp") return { low: 0, high: delta * (1 + 1e-9) };
      return name === "pld"
        ? { low: 0.97 * delta, high: delta * (1 + 1e-4) }
        : around(delta, 1e-9 * Math.max(1, delta));
    case "sigma_for_epsilon":
      return { low: 0, high: Number(row.sigma) + 2 * Number(row.tolerance ?? 1e-9) };
    case "max_steps_for_epsilon":
      return { low: Number(row.steps), high: Infinity };
    case "rdp_at_order": {
      const rdp = Number(row.rdp);
      return Number.isInteger(row.params?.order)
        ? around(rdp, 1e-9 * rdp)
        : { low: rdp * (1 - 1e-9), high: Number(row.rdp_dp_accounting) * (1 + 1e-9) };
    }
    case "epsilon_lower_bound":
      return around(epsilon, 1e-4);
    case "p_value":
      return around(Number(row.value), 1e-4);
    case "group":
      return around(delta, 1e-10 * delta);
    default:
      return typeof row.value === "number" ? around(row.value, 1e-10 * Math.abs(row.value)) : undefined;
  }
}

function bucketLower(row: AccountingRow): number | undefined {
  if (!row.accountant?.method?.startsWith("privacy_buckets")) return undefined;
  return Math.max(0, Number(row.epsilon) - 1e-4 * Number(row.params?.steps ?? 1) - 0.005);
}
