/**
 * Auditing in one run: a lower bound on the privacy loss of the real path, to stand beside the accountant's
 * upper one.
 *
 * Canaries are put in or left out by fair coins, the real training and aggregation run once, and guesses
 * are made from what was released. Too many right guesses refute the claimed trade-off curve (an f-DP
 * test), with a p-value; the same counts give a lower bound on epsilon. A build that lost its noise, its
 * clipping or a count is caught with a power that can be computed beforehand. The caller supplies the run:
 * this folder only flips coins and counts.
 *
 * @module
 */
export { accountedClaim, designAudit } from "./design.ts";
export type { AuditDesign, AuditRequest } from "./design.ts";
export { drawInclusion, guessFromScores, runAudit } from "./canaries.ts";
export { REFUTED } from "../report/mod.ts";
export type { AuditOptions, AuditResult } from "./canaries.ts";
export type { GuessCounts } from "./counts.ts";
export { curveClaim, fdpEpsilon, fdpPValue, fdpRejects, gaussianClaim } from "./fdp.ts";
export type { ClaimedCurve } from "./fdp.ts";
export { clopperPearsonUpper, oneRunEpsilon, oneRunPValue } from "./one_run.ts";
export { auditPower } from "./power.ts";
export type { PowerQuestion } from "./power.ts";
