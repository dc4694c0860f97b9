import { REFUTED } from "../report/mod.ts";
import { guessFromScores } from "./canaries.ts";
import { type ClaimedCurve, fdpRejects } from "./fdp.ts";

/** An audit design whose power is asked for. */
export interface PowerQuestion {
  /** Canaries. */
  readonly canaries: number;
  /** Guesses. */
  readonly guesses: number;
  /** What is claimed. */
  readonly claim: ClaimedCurve;
  /** What the implementation really has: canary scores are N(mu, 1) in and N(0, 1) out. */
  readonly actualMu: number;
  /** Simulated audits. */
  readonly trials: number;
  /** Standard normal variates. */
  readonly normal: () => number;
  /** Uniform variates on [0, 1). */
  readonly uniform: () => number;
}

/**
 * Share of simulated audits that refute the claim at p < 0.001: what an audit of this size can be trusted
 * to see.
 */
export function auditPower(question: PowerQuestion): number {
  const { canaries, guesses, claim, actualMu, trials, normal, uniform } = question;
  let caught = 0;
  for (let t = 0; t < trials; t++) {
    const included = Array.from({ length: canaries }, () => uniform() < 0.5);
    const scores = included.map((isIn) => (isIn ? actualMu : 0) + normal());
    if (fdpRejects(guessFromScores(scores, included, guesses), claim, REFUTED)) caught++;
  }
  return caught / trials;
}
