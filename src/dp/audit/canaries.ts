import { FedKimError } from "../../formats/errors.ts";
import { cryptoRandomBytes, type RandomBytes } from "../../formats/random_bytes.ts";
import { WordSource } from "../noise/mod.ts";
import { type AuditSummary, REFUTED } from "../report/mod.ts";
import type { GuessCounts } from "./counts.ts";
import { type ClaimedCurve, fdpEpsilon, fdpPValue } from "./fdp.ts";
import { oneRunEpsilon } from "./one_run.ts";

/** What an audit needs to know. */
export interface AuditOptions {
  /** Name for the report: a population, or the audit plan. */
  readonly name: string;
  /** Number of canaries, each in or out by a fair coin. */
  readonly canaries: number;
  /** Guesses: half of them "in" for the highest scores, half "out" for the lowest. Fixed before the run. */
  readonly guesses: number;
  /**
   * Runs the real path once, with the included canaries in the data, and scores every canary on what was
   * released: the higher, the more likely it was in.
   */
  readonly run: (included: readonly boolean[]) => Promise<ArrayLike<number>> | ArrayLike<number>;
  /** The trade-off curve that the plan of the run claims for one unit. */
  readonly claim: ClaimedCurve;
  /** The epsilon that it claims. */
  readonly epsilon: number;
  /** At this delta. */
  readonly delta: number;
  /** One minus the confidence of the lower bound; default 0.05. */
  readonly significance?: number;
  /** Chance that this audit catches a build with half the noise, for the report (`auditPower`). */
  readonly power?: number;
  /** For the coins; the CSPRNG by default. */
  readonly randomBytes?: RandomBytes;
}

/** What an audit found. */
export interface AuditResult extends AuditSummary {
  /** True where the claim is refuted at p < 0.001. */
  readonly refuted: boolean;
}

/** Fair coins for the canaries. */
export function drawInclusion(canaries: number, randomBytes: RandomBytes = cryptoRandomBytes): boolean[] {
  const words = new WordSource(randomBytes);
  return Array.from({ length: canaries }, () => words.word() >>> 31 === 1);
}

/** Guesses "in" for the highest scores and "out" for the lowest, and counts the right ones. */
export function guessFromScores(
  scores: ArrayLike<number>,
  included: readonly boolean[],
  guesses: number,
): GuessCounts {
  const canaries = included.length;
  const fine = scores.length === canaries && Array.from(scores).every(Number.isFinite);
  if (!fine || !Number.isSafeInteger(guesses) || guesses < 1 || guesses > canaries) {
    throw new FedKimError("ConfigError", "The scores of the audit are not valid.", {
      found: `${scores.length} scores for ${canaries} canaries, ${guesses} guesses`,
      needed: "one finite score per canary, and at most as many guesses",
    });
  }
  const order = included.map((_, i) => i).sort((a, b) => scores[b] - scores[a]);
  const top = Math.ceil(guesses / 2);
  const bottom = guesses - top;
  let correct = 0;
  for (let i = 0; i < top; i++) if (included[order[i]]) correct++;
  for (let i = 0; i < bottom; i++) if (!included[order[canaries - 1 - i]]) correct++;
  return { canaries, guesses, correct };
}

/** Runs a one-run canary audit on whatever path `run` drives, and states what it refutes. */
export async function runAudit(options: AuditOptions): Promise<AuditResult> {
  const { name, canaries, guesses, claim, epsilon, delta, significance = 0.05 } = options;
  const included = drawInclusion(canaries, options.randomBytes);
  const counts = guessFromScores(await options.run(included), included, guesses);
  const pValue = fdpPValue(counts, claim);
  return {
    population: name,
    method: "one_run_fdp",
    ...counts,
    epsilonLower: fdpEpsilon(counts, delta, significance),
    epsilonLowerSteinke: oneRunEpsilon(counts, delta, significance),
    epsilonUpper: epsilon,
    delta,
    confidence: 1 - significance,
    pValue,
    ...(options.power === undefined ? {} : { power: options.power }),
    refuted: pValue < REFUTED,
  };
}
