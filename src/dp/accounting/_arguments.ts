import { FedKimError } from "../../formats/errors.ts";
import type { Neighboring } from "../events/mod.ts";

const RELATIONS: readonly Neighboring[] = ["add_or_remove_one", "replace_one", "replace_special"];

/** Below this, the rounding of double precision is larger than delta itself. */
export const SMALLEST_DELTA = 1e-13;

function invalid(found: string, needed: string): FedKimError {
  return new FedKimError("ConfigError", "A privacy parameter is not valid.", {
    found,
    needed,
    remedy: "correct the parameter; nothing was computed",
  });
}

/** Refuses a delta that is not in [1e-13, 1). */
export function checkDelta(delta: number): void {
  if (!(typeof delta === "number" && delta >= SMALLEST_DELTA && delta < 1)) {
    throw invalid(`delta = ${delta}`, `a number of at least ${SMALLEST_DELTA} and below 1`);
  }
}

/** Refuses an epsilon that is not in [0, 1e9]. */
export function checkEpsilon(epsilon: number): void {
  if (!(typeof epsilon === "number" && epsilon >= 0 && epsilon <= 1e9)) {
    throw invalid(`epsilon = ${epsilon}`, "a number of at least 0 and at most 1e9");
  }
}

/** Refuses anything but the three neighbouring relations; there is no default. */
export function checkNeighboring(neighboring: Neighboring): void {
  if (!RELATIONS.includes(neighboring)) {
    throw invalid(`neighboring = ${typeof neighboring}`, RELATIONS.join(", "));
  }
}

/** Refuses a grid step outside of [1e-7, 1]. */
export function checkInterval(interval: number | undefined): void {
  if (interval !== undefined && !(interval >= 1e-7 && interval <= 1)) {
    throw invalid(`gridInterval = ${interval}`, "a number of at least 1e-7 and at most 1");
  }
}
