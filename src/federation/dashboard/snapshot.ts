import type { RoutingReport } from "../../m3oe/mod.ts";
import type { AuditEntry } from "../audit_log.ts";
import type { EvaluationResult } from "../aggregator_results.ts";
import type { LedgerHead, Role } from "../enrollment_book.ts";
import type { LedgerStatement } from "../ledger_statement.ts";
import type { CrossSiteEvaluation } from "../site_evaluation/mod.ts";
import type { LiveStep } from "../site_desk.ts";

/** One site as the dashboard shows it. */
export interface SiteRow {
  /** Name. */
  readonly site: string;
  /** What it may do. */
  readonly role: Role;
  /** Where it stands. */
  readonly state: "invited" | "enrolled" | "joined" | "accepted" | "present" | "away" | "revoked";
  /** Software that it joined with. */
  readonly software: string | undefined;
  /** Milliseconds since 1970 of its last request. */
  readonly lastSeen: number | undefined;
  /** Steps of the plan that it has charged. */
  readonly steps: number;
  /** Position of its ledger that was countersigned last. */
  readonly head: LedgerHead | undefined;
  /** What it has stated of its ledger. */
  readonly statement: LedgerStatement | undefined;
}

/** One aggregation step. */
export interface StepRow {
  /** Its number. */
  readonly round: number;
  /** How many sites' updates are in the sum; undefined for an aborted step. */
  readonly sites: number | undefined;
  /** Why it was aborted. */
  readonly error: string | undefined;
}

/** Upper bound on epsilon after some steps, by set. */
export interface EpsilonCurve {
  /** The set. */
  readonly population: string;
  /** The privacy unit. */
  readonly unit: string;
  /** [steps, epsilon], both ascending; the last point is the whole schedule. */
  readonly points: readonly (readonly [number, number])[];
}

/** Learning curve of one task on the public validation split. */
export interface LearningCurve {
  /** The task. */
  readonly task: string;
  /** [step, AUROC]. */
  readonly points: readonly (readonly [number, number])[];
}

/** A file of the run that members may want to name by its hash. */
export interface ArtefactRow {
  /** What it is. */
  readonly name: string;
  /** SHA-256, hexadecimal. */
  readonly hash: string;
  /** Bytes. */
  readonly size: number;
}

/** Everything that the operator's page shows, as data. */
export interface Snapshot {
  /** Name of the federation. */
  readonly federation: string;
  /** What the aggregator is doing. */
  readonly stage: string;
  /** Steps of the schedule, once there is a plan. */
  readonly steps: number | undefined;
  /** Hash of the signed plan. */
  readonly planHash: string | undefined;
  /** Sites that the plan counts on. */
  readonly cohort: number | undefined;
  /** The step in progress. */
  readonly live: LiveStep | undefined;
  /** Members. */
  readonly sites: readonly SiteRow[];
  /** Steps so far, newest first. */
  readonly history: readonly StepRow[];
  /** Privacy of the schedule. */
  readonly epsilon: readonly EpsilonCurve[];
  /** Delta of those bounds. */
  readonly delta: number | undefined;
  /** Learning curves. */
  readonly learning: readonly LearningCurve[];
  /** Gate weights of this plan's injected model, once there is one. */
  readonly routing: RoutingReport | undefined;
  /** Results on test, once there are any. */
  readonly results: EvaluationResult | undefined;
  /** Results on the sites' held-out patients with subgroups, once the plan's evaluation is over. */
  readonly crossSite: CrossSiteEvaluation | undefined;
  /** Files of the run. */
  readonly artefacts: readonly ArtefactRow[];
  /** Newest audit entries, newest first. */
  readonly audit: readonly AuditEntry[];
}

/** The bound after some steps: that of the next point of the curve, so that it is never too small. */
export function epsilonAfter(curve: EpsilonCurve, steps: number): number {
  if (steps === 0) return 0;
  return (curve.points.find(([at]) => at >= steps) ?? curve.points.at(-1))?.[1] ?? Infinity;
}
