import { FedKimError } from "../../formats/errors.ts";
import {
  type CountedEvent,
  type DpEvent,
  flattenEvent,
  type Neighboring,
  parseEvent,
} from "../events/mod.ts";
import { composePld, deltaOfLoss, epsilonOfLoss, type PldResult } from "../pld/mod.ts";
import { rdpDeltaOf, rdpEpsilonOf, type RdpResult } from "../rdp/mod.ts";
import { checkDelta, checkEpsilon, checkInterval, checkNeighboring } from "./_arguments.ts";
import { gaussianDelta, gaussianEpsilon } from "./gaussian_curve.ts";

/**
 * How a bound is computed: `pld` is tight, `rdp` fast and independent, `analytic_gaussian` exact for
 * Gaussians.
 */
export type Accountant = "pld" | "rdp" | "analytic_gaussian";

/** What an accountant needs to know beside the event. */
export interface AccountingOptions {
  /** The neighbouring relation; required, since every number depends on it. */
  readonly neighboring: Neighboring;
  /** Default `pld`. */
  readonly accountant?: Accountant;
  /** Grid step of the PLD; chosen from the spread by default. */
  readonly gridInterval?: number;
}

/** Numerical error of a PLD bound, in delta. */
export interface NumericSlack {
  /** Mass cut from the tails, already added to delta. */
  readonly tailMass: number;
  /** Size of the rounding noise of the Fourier transform, charged to delta. */
  readonly transformNoise: number;
  /** Mass at infinity of the composition, the tails included. */
  readonly infinityMass: number;
}

/** An upper bound on epsilon or delta, and how it was found. */
export interface PrivacyBound {
  /** Upper bound on epsilon at `delta`; Infinity where there is none. */
  readonly epsilon: number;
  /** Upper bound on delta at `epsilon`. */
  readonly delta: number;
  /** How it was computed. */
  readonly accountant: Accountant;
  /** The neighbouring relation. */
  readonly neighboring: Neighboring;
  /** Best Renyi order, for `rdp`. */
  readonly order?: number;
  /** Grid step, for `pld`. */
  readonly gridInterval?: number;
  /** Numerical error, for `pld`. */
  readonly slack?: NumericSlack;
}

/**
 * Upper bound on epsilon at `delta`.
 * @throws FedKimError ConfigError for parameters out of range, UnsupportedDpEvent for events without a bound
 */
export function epsilonAt(event: DpEvent, delta: number, options: AccountingOptions): PrivacyBound {
  checkDelta(delta);
  const result = bound(event, options, {
    nothing: 0,
    everything: Infinity,
    gaussian: (mu) => gaussianEpsilon(mu, delta),
    rdp: (e) => rdpEpsilonOf(e, delta, options.neighboring),
    // The rounding of the transform is charged to delta, so that it cannot lower the bound.
    pld: ({ loss, transformNoise }) => epsilonOfLoss(loss, Math.max(0, delta - transformNoise)),
    answer: (epsilon) => ({ epsilon, delta }),
  });
  if (result.slack !== undefined && result.slack.transformNoise > delta / 2) {
    throw new FedKimError("UnsupportedDpEvent", "The pld accountant cannot resolve this delta.", {
      found: `delta ${delta} with rounding noise of ${result.slack.transformNoise}`,
      needed: "a delta well above the rounding noise",
      remedy: "use a larger delta or the rdp accountant",
    });
  }
  return result;
}

/**
 * Upper bound on delta at `epsilon`.
 * @throws FedKimError ConfigError for parameters out of range, UnsupportedDpEvent for events without a bound
 */
export function deltaAt(event: DpEvent, epsilon: number, options: AccountingOptions): PrivacyBound {
  checkEpsilon(epsilon);
  return bound(event, options, {
    nothing: 0,
    everything: 1,
    gaussian: (mu) => gaussianDelta(mu, epsilon),
    rdp: (e) => rdpDeltaOf(e, epsilon, options.neighboring),
    pld: ({ loss, transformNoise }) => Math.min(1, deltaOfLoss(loss, epsilon) + transformNoise),
    answer: (delta) => ({ epsilon, delta }),
  });
}

/**
 * What `bound` computes, or undefined where the accountant has none for the event.
 * @throws what `bound` throws but UnsupportedDpEvent
 */
export function whereSupported(bound: () => number): number | undefined {
  try {
    return bound();
  } catch (error) {
    if (error instanceof FedKimError && error.code === "UnsupportedDpEvent") return undefined;
    throw error;
  }
}

/** The two questions differ only in these parts. */
interface Question {
  readonly nothing: number;
  readonly everything: number;
  gaussian(mu: number): number;
  rdp(event: DpEvent): RdpResult;
  pld(composed: PldResult["remove"]): number;
  answer(value: number): { epsilon: number; delta: number };
}

function bound(raw: DpEvent, options: AccountingOptions, question: Question): PrivacyBound {
  const { neighboring, accountant = "pld", gridInterval } = options;
  checkNeighboring(neighboring);
  checkInterval(gridInterval);
  const event = parseEvent(raw);
  const parts = flattenEvent(event);
  const base = { accountant, neighboring };
  if (parts.length === 0) return { ...base, ...question.answer(question.nothing) };
  if (parts.some((part) => part.event.type === "non_private")) {
    return { ...base, ...question.answer(question.everything) };
  }
  switch (accountant) {
    case "analytic_gaussian":
      return { ...base, ...question.answer(question.gaussian(gaussianMu(parts, neighboring))) };
    case "rdp": {
      const { value, order } = question.rdp(event);
      return { ...base, ...question.answer(value), order };
    }
    case "pld":
      return { ...base, ...pldAnswer(composePld(parts, neighboring, gridInterval), question) };
    default:
      throw new FedKimError("ConfigError", "This accountant does not exist.", {
        found: `accountant = ${typeof accountant}`,
        needed: "pld, rdp or analytic_gaussian",
      });
  }
}

function pldAnswer(result: PldResult, question: Question): Omit<PrivacyBound, "accountant" | "neighboring"> {
  const remove = question.pld(result.remove);
  const add = result.add === undefined ? 0 : question.pld(result.add);
  const side = result.add !== undefined && add > remove ? result.add : result.remove;
  return {
    ...question.answer(Math.max(remove, add)),
    gridInterval: result.interval,
    slack: {
      tailMass: side.tailMass,
      transformNoise: side.transformNoise,
      infinityMass: side.loss.infinityMass,
    },
  };
}

/** mu of a composition of Gaussians: they compose in the sum of squares. */
function gaussianMu(parts: readonly CountedEvent[], neighboring: Neighboring): number {
  const reach = neighboring === "replace_one" ? 2 : 1;
  let square = 0;
  for (const { event, count } of parts) {
    if (event.type !== "gaussian") {
      throw new FedKimError("UnsupportedDpEvent", "The analytic accountant knows Gaussians only.", {
        found: event.type,
        needed: "gaussian",
        remedy: "use the pld or the rdp accountant",
      });
    }
    square += (count * reach * reach) / (event.sigma * event.sigma);
  }
  return Math.sqrt(square);
}
