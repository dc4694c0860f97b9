/**
 * Differential privacy: what is released, what it costs, how it is noised, who may spend, and what to tell
 * people.
 *
 * `events/` describes releases as data; `rdp/` and `pld/` account for them independently of each other;
 * `accounting/` answers epsilon, delta, noise and steps. `plan/` makes one object from which clipping,
 * sampling, encoding (`encoding/`), exact noise (`noise/`) and events all follow, so that they cannot
 * disagree. `ledger/` is charged before anything leaves a site and refuses what the budget does not hold.
 * `audit/` measures a lower bound on the real path, and `report/` says all of it to a data-protection
 * officer. `verify/` recomputes files of accounting rows. No tensor code and no secure aggregation in here:
 * the hand-over is a `Uint32Array` modulo 2^32.
 *
 * @module
 */
export {
  calibrateNoiseMultiplier,
  deltaAt,
  epsilonAt,
  gaussianDelta,
  gaussianEpsilon,
  groupPrivacy,
  maxSteps,
  privacyCurve,
  PrivacyOdometer,
  RenyiFilter,
  tradeOff,
} from "./accounting/mod.ts";
export type {
  Accountant,
  AccountingOptions,
  CalibrationTarget,
  FilterBudget,
  NumericSlack,
  OdometerOptions,
  PrivacyBound,
  PrivacyCurvePoint,
} from "./accounting/mod.ts";
export {
  accountedClaim,
  auditPower,
  clopperPearsonUpper,
  curveClaim,
  designAudit,
  drawInclusion,
  fdpEpsilon,
  fdpPValue,
  fdpRejects,
  gaussianClaim,
  guessFromScores,
  oneRunEpsilon,
  oneRunPValue,
  REFUTED,
  runAudit,
} from "./audit/mod.ts";
export type {
  AuditDesign,
  AuditOptions,
  AuditRequest,
  AuditResult,
  ClaimedCurve,
  GuessCounts,
  PowerQuestion,
} from "./audit/mod.ts";
export {
  adaptiveClipEvent,
  addClippedUnit,
  clipFactor,
  gradientNoiseMultiplier,
  integerSquaredNorm,
  nextClipBound,
  normUpperBound,
  paddedLength,
  ringToReal,
  rotate,
  roundedNormBound,
  roundToRing,
  roundUnit,
  squaredNorm,
  unrotate,
} from "./encoding/mod.ts";
export type { AdaptiveClip, ClipOutcome, FloatVector } from "./encoding/mod.ts";
export { canonicalJson, flattenEvent, parseEvent } from "./events/mod.ts";
export type {
  ComposedEvent,
  CountedEvent,
  DiscreteGaussianEvent,
  DiscreteLaplaceEvent,
  DpEvent,
  EpsilonDeltaEvent,
  ExponentialEvent,
  GaussianEvent,
  LaplaceEvent,
  LeafEvent,
  MixtureOfGaussiansEvent,
  Neighboring,
  NonPrivateEvent,
  NoOpEvent,
  PermuteAndFlipEvent,
  PoissonEvent,
  RandomizedResponseEvent,
  RepeatAndSelectEvent,
  SampleWithoutReplacementEvent,
  SelfComposedEvent,
  SkellamEvent,
  SumOfDiscreteGaussiansEvent,
  TreeEvent,
  TruncatedPoissonGaussianEvent,
  ZcdpEvent,
} from "./events/mod.ts";
export { Balance, Ledger, openLedger, PopulationBalance, readLedger } from "./ledger/mod.ts";
export type {
  Affordability,
  BudgetChange,
  Charge,
  Commitment,
  CommittedSchedule,
  LedgerBudget,
  LedgerFilter,
  LedgerHead,
  LedgerOptions,
  LedgerRecord,
  LedgerSources,
  LedgerStatus,
  PopulationStatus,
  RecordBody,
  StepCharge,
  TornLine,
} from "./ledger/mod.ts";
export {
  addDiscreteGaussian,
  addSkellam,
  belowExpMinus,
  DiscreteGaussianSampler,
  expMinusBounds,
  poissonSample,
  PoissonSampler,
  sampleDiscreteGaussian,
  samplingThreshold,
  WordSource,
} from "./noise/mod.ts";
export type { ExpBounds, Rational } from "./noise/mod.ts";
export {
  canonicalPlanJson,
  coinsEvent,
  createPlan,
  decodeSum,
  encodeUpdate,
  groupEvent,
  honestShares,
  knownShares,
  OffThreadEncoder,
  parsePlan,
  planHash,
  viewEvent,
  viewGuarantees,
  viewNoiseMultiplier,
} from "./plan/mod.ts";
export type {
  AggregationProfile,
  DpCohort,
  DpEncoding,
  DpNoise,
  DpPlan,
  DpPlanRequest,
  DpPopulation,
  PopulationEvents,
  PopulationGuarantee,
  PrivacyUnit,
  PrivacyView,
  ViewGuarantee,
} from "./plan/mod.ts";
export {
  buildReport,
  lowerBoundText,
  PAGE_STYLE,
  renderHtml,
  renderMarkdown,
  renderPlot,
  renderTerminal,
  upperBoundText,
} from "./report/mod.ts";
export type {
  AuditSummary,
  LedgerElsewhere,
  PeopleGroup,
  Plot,
  PlotSeries,
  PrivacyReport,
  ReportBudgetRow,
  ReportCurves,
  ReportGroup,
  ReportInput,
  ReportPlan,
  ReportSite,
  UnaccountedRelease,
} from "./report/mod.ts";
export {
  acceptedInterval,
  accountingRows,
  lowerBounds,
  parsePythonJson,
  verifyAccountingFile,
} from "./verify/mod.ts";
export type { Accepted, AccountingRow, VerifiedFile, VerifiedRow } from "./verify/mod.ts";
export { composedRdp, gaussianRdp, sampledGaussianRdp } from "./rdp/mod.ts";
export type { RdpCurve } from "./rdp/mod.ts";
export type { RandomBytes } from "../formats/random_bytes.ts";
