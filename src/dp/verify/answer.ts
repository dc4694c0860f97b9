import { FedKimError } from "../../formats/errors.ts";
import {
  type Accountant,
  calibrateNoiseMultiplier,
  deltaAt,
  epsilonAt,
  groupPrivacy,
  maxSteps,
} from "../accounting/mod.ts";
import { clopperPearsonUpper, fdpEpsilon, oneRunEpsilon, oneRunPValue } from "../audit/mod.ts";
import { gradientNoiseMultiplier, roundedNormBound } from "../encoding/mod.ts";
import { type DpEvent, type Neighboring, parseEvent } from "../events/mod.ts";
import { composedRdp, rdpEpsilonOf } from "../rdp/mod.ts";
import type { AccountingRow } from "./parse.ts";

/** Orders that rows with the formula "integers 2..256" were computed at. */
const INTEGER_ORDERS = Array.from({ length: 255 }, (_, i) => i + 2);
/** Calibration of a row stops at this width; the closed form is worth more digits. */
const TOLERANCE = { pld: 1e-6, rdp: 1e-6, analytic_gaussian: 1e-11 } as const;

function unsupported(found: string): FedKimError {
  return new FedKimError("UnsupportedDpEvent", "This row asks something that no accountant here answers.", {
    found,
    needed: "a known query and accountant",
  });
}

function numberOf(row: AccountingRow, name: string): number {
  const value = row.params?.[name];
  if (typeof value !== "number") throw unsupported(`no number params.${name}`);
  return value;
}

function given(value: number | null | undefined, name: string): number {
  if (typeof value !== "number") throw unsupported(`no ${name}`);
  return value;
}

function accountantOf(row: AccountingRow): Accountant {
  const name = row.accountant?.name;
  // A PRV interval is answered by the PLD accountant: both are numerical compositions of the same loss.
  if (name === "prv") return "pld";
  if (name === "pld" || name === "rdp" || name === "analytic_gaussian") return name;
  throw unsupported(`accountant ${String(name)}`);
}

/** The composition with every null parameter, the one that is asked for, set to `value`. */
function filled(composition: unknown, value: number): DpEvent {
  const walk = (node: unknown): unknown => {
    if (node === null) return value;
    if (Array.isArray(node)) return node.map(walk);
    if (typeof node !== "object") return node;
    return Object.fromEntries(Object.entries(node as object).map(([key, item]) => [key, walk(item)]));
  };
  return parseEvent(walk(composition));
}

/** The composition of a Gaussian calibration row names its answer: it is set anew. */
function calibrationEvent(row: AccountingRow): (sigma: number) => DpEvent {
  const composition = row.composition as { type?: string } | null;
  return composition?.type === "gaussian"
    ? (sigma) => ({ type: "gaussian", sigma })
    : (sigma) => filled(row.composition, sigma);
}

/**
 * Computes a row's answer with this build; expected values in the row are not looked at.
 * @throws FedKimError UnsupportedDpEvent, ConfigError
 */
export function answerRow(row: AccountingRow): number {
  switch (row.query) {
    case "epsilon_at_delta":
      return epsilonAnswer(row);
    case "delta_at_epsilon":
      return deltaAt(parseEvent(row.composition), given(row.epsilon, "epsilon"), optionsOf(row)).delta;
    case "rdp_at_order":
      return composedRdp(parseEvent(row.composition), row.neighboring as Neighboring)
        .at(numberOf(row, "order"));
    case "sigma_for_epsilon":
      return calibrateNoiseMultiplier(calibrationEvent(row), {
        ...optionsOf(row),
        epsilon: given(row.epsilon, "epsilon"),
        delta: given(row.delta, "delta"),
        tolerance: TOLERANCE[accountantOf(row)],
      });
    case "max_steps_for_epsilon":
      return maxSteps((steps) => filled(row.composition, steps), {
        ...optionsOf(row),
        epsilon: given(row.epsilon, "epsilon"),
        delta: given(row.delta, "delta"),
      });
    default:
      return formulaAnswer(row);
  }
}

function optionsOf(row: AccountingRow): { neighboring: Neighboring; accountant: Accountant } {
  return { neighboring: row.neighboring as Neighboring, accountant: accountantOf(row) };
}

function epsilonAnswer(row: AccountingRow): number {
  const event = parseEvent(row.composition);
  const delta = given(row.delta, "delta");
  if (row.accountant?.orders === "integers 2..256") {
    return rdpEpsilonOf(event, delta, row.neighboring as Neighboring, INTEGER_ORDERS).value;
  }
  return epsilonAt(event, delta, optionsOf(row)).epsilon;
}

function formulaAnswer(row: AccountingRow): number {
  const counts = () => ({
    canaries: numberOf(row, "canaries"),
    guesses: numberOf(row, "guesses"),
    correct: numberOf(row, "correct"),
  });
  switch (row.query) {
    case "l2_norm_after_rounding":
      return roundedNormBound(
        numberOf(row, "scaled_clip"),
        numberOf(row, "dimension"),
        numberOf(row, "beta"),
      );
    case "sigma_delta":
      return gradientNoiseMultiplier(numberOf(row, "noise_multiplier"), numberOf(row, "count_stddev"));
    case "group":
      // Such a row has two answers; delta is the one that is not a plain product.
      return groupPrivacy(numberOf(row, "epsilon"), numberOf(row, "delta"), numberOf(row, "group")).delta;
    case "epsilon_lower_bound": {
      const bound = row.mechanism === "audit_one_run_fdp" ? fdpEpsilon : oneRunEpsilon;
      return bound(counts(), given(row.delta, "delta"), numberOf(row, "significance"));
    }
    case "p_value":
      return oneRunPValue(counts(), numberOf(row, "epsilon"), given(row.delta, "delta"));
    case "upper_bound":
      return clopperPearsonUpper(numberOf(row, "k"), numberOf(row, "n"), numberOf(row, "significance"));
    default:
      throw unsupported(`query ${String(row.query)}`);
  }
}
