/**
 * FedKIM on Deno: a secure federation toolkit with privacy accounting.
 *
 * Each folder is also a sub-path of its own: `fedkim/secure_agg` (exact, dropout-tolerant sums of masked vectors),
 * `fedkim/dp` (events, accountants, exact noise, ledger, report), `fedkim/local` (encoders and per-patient gradients),
 * `fedkim/foundation` (the frozen decoder), `fedkim/m3oe` (knowledge injection), `fedkim/federation` (rounds over HTTP).
 *
 * ```ts
 * import { createPlan } from "fedkim";
 *
 * const plan = createPlan({
 *   populations: [{ name: "icu", unit: "patient", samplingRate: 0.1, maxGradNorm: 1 }],
 *   setsAreDisjoint: true,
 *   neighboring: "add_or_remove_one",
 *   steps: 100,
 *   dimension: 5000,
 *   cohort: { n: 4, nMin: 3, colluders: 1 },
 *   maxUnitsPerStep: 1024,
 *   delta: 1e-5,
 *   target: { epsilon: 8 },
 * });
 * console.log(plan.noise.noiseMultiplier, plan.guarantees[0].epsilon);
 * ```
 *
 * @module
 */
export { FedKimError } from "./src/formats/errors.ts";
export type { ErrorCode, ErrorDetails } from "./src/formats/errors.ts";
export {
  calibrateNoiseMultiplier,
  createPlan,
  decodeSum,
  encodeUpdate,
  epsilonAt,
  openLedger,
  parsePlan,
  poissonSample,
} from "./src/dp/mod.ts";
export { generateIdentity, makeRoundConfig, SecAggClient, SecAggServer } from "./src/secure_agg/mod.ts";
export {
  clippedGradientSum,
  createSpec,
  encodeRecords,
  loadFederationPart,
  pretrainOnPublic,
} from "./src/local/mod.ts";
export { loadDecoder, loadTokenizer } from "./src/foundation/mod.ts";
export { loadInjection, saveInjection, trainInjection } from "./src/m3oe/mod.ts";
export { acceptInvite, EnrollmentBook, runSite, serveAggregator } from "./src/federation/mod.ts";
export { selectBackend } from "./src/tensor/mod.ts";
