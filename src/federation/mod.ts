/**
 * Rounds over the network. The aggregator (`serveAggregator`) offers a versioned HTTP API to which sites (`runSite`)
 * only ever call out: they enroll with an invite, check the one signed plan against their own signed policy, and answer
 * each aggregation step by long poll. Every request is signed; every artefact is fetched by its hash.
 *
 * The aggregator only ever adds masked vectors and sees their sum. After the last step it injects the aggregated
 * encoders into the frozen foundation model on public data and evaluates trained and unseen tasks.
 *
 * @module
 */
export { auditPlan, runAuditStep } from "./audit_path.ts";
export type { AuditedStep, AuditStepOptions, Contribute } from "./audit_path.ts";
export { stepContribution } from "./site_training.ts";
export type { RoundPlace, TrainingSite } from "./site_training.ts";
export { serveAggregator } from "./aggregator_service.ts";
export type { AggregatorServiceOptions } from "./aggregator_service.ts";
export type { FederationResult } from "./aggregator.ts";
export {
  checkAggregatorConfig,
  checkClientConfig,
  configJsonSchema,
  readAggregatorConfig,
  readClientConfig,
  readConfigFields,
  resolveConfigPaths,
} from "./config.ts";
export type { AggregatorConfig, BackendPreference, ClientConfig, ConfigFields, Service } from "./config.ts";
export { causesOf, outboundClient, tlsRemedy } from "./tls_client.ts";
export type { OutboundConfig } from "./tls_client.ts";
export type { TlsFiles } from "./tls.ts";
export type { MetricsConfig } from "./metrics_config.ts";
export { AuditLog } from "./audit_log.ts";
export type { AuditEntry, AuditEvent } from "./audit_log.ts";
export { EnrollmentBook, ROLES, STORE_FILE } from "./enrollment_book.ts";
export { openStore } from "./store/mod.ts";
export type { Body, Bytes, Durability, Fence, Job, LogEntry, Store } from "./store/mod.ts";
export type { LedgerHead, Member, Role } from "./enrollment_book.ts";
export { decodeInvite, encodeInvite } from "./invite.ts";
export type { Invite } from "./invite.ts";
export { acceptInvite } from "./site_enrollment.ts";
export { dashboardLink, shareLedger } from "./dashboard_link.ts";
export { rotateKey } from "./site_rotation.ts";
export { readPolicy, writePolicy } from "./site_policy.ts";
export type { SitePolicy } from "./site_policy.ts";
export { readIdentity } from "./identity_file.ts";
export { readPinnedAggregator, SITE_FILES } from "./site_state.ts";
export type { PinnedAggregator } from "./site_state.ts";
export { RUN_FILES } from "./run_folder.ts";
export { runSite } from "./site_worker.ts";
export type { SiteEvent, SiteWorkerOptions } from "./site_worker.ts";
export { checkEvaluationSum, checkSum, sumBound } from "./sum_check.ts";
export type { SumCheck } from "./sum_check.ts";
export { UNACCOUNTED_RELEASES } from "./unaccounted.ts";
export { initServerOptimizer, serverStep } from "./server_optimizer.ts";
export type { ServerOptimizerConfig, ServerOptimizerState } from "./server_optimizer.ts";
export { fedAdam, fedAvg, fedProx, fedYogi, STRATEGIES, strategyNamed } from "./strategies/mod.ts";
export type { AdaptiveOptions, Strategy, StrategyName, StrategyStep } from "./strategies/mod.ts";
export type { TaskResult } from "./evaluation.ts";
export { evaluateRun, injectRun, openRun, readRunJson } from "./finished_run.ts";
export type { FinishedRun } from "./finished_run.ts";
export { predictRun } from "./prediction.ts";
export type { Prediction } from "./prediction.ts";
export { readWithdrawals, withdrawalNote, withdrawPatients } from "./withdrawal.ts";
export type { Withdrawal } from "./withdrawal.ts";
export { crossSiteMarkdown } from "./site_evaluation/mod.ts";
export type {
  CrossSiteEvaluation,
  Estimate,
  Estimates,
  EvaluationConfig,
  EvaluationPlan,
  Group,
  GroupResult,
  HistogramFigures,
  LayoutTerms,
  SubgroupDimension,
  SuppressionReason,
  TaskAcrossSites,
} from "./site_evaluation/mod.ts";
export { withEvaluation } from "./evaluation_report.ts";
export { modelCard, renderModelCard } from "./model_card.ts";
export type { ModelCard } from "./model_card.ts";
export { INJECTION_RECIPE } from "./injection_recipe.ts";
export type { TaskDecision } from "./decisions.ts";
export type { Calibration } from "./platt_scaling.ts";
export type { EvaluationResult } from "./aggregator_results.ts";
export type { Holdings } from "./holdings.ts";
export type { FederationPlan, PlanTerms, TrainingMode } from "./federation_plan.ts";
export type { LocalSchedule } from "./local_schedule.ts";
export type { FoundationBase } from "./foundation_base.ts";
export type { ModelBase } from "./public_stage.ts";
