import type { LedgerHead, LedgerStatus } from "../ledger/mod.ts";
import type { DpPlan, PrivacyUnit, ViewGuarantee } from "../plan/mod.ts";

/** A release that the accounting does not cover; listed so that nobody takes it for protected. */
export interface UnaccountedRelease {
  /** What others learn, e.g. "when a site was online". */
  readonly what: string;
  /** Who learns it. */
  readonly seenBy: string;
  /** What limits it, or why it was accepted. */
  readonly note: string;
}

/** People who own several units, for whom the promise per unit is not the promise per person. */
export interface PeopleGroup {
  /** Name of the population. */
  readonly population: string;
  /** Who, e.g. "ECG persons". */
  readonly people: string;
  /** Most units that one of them has. */
  readonly maxUnits: number;
}

/** Result of an audit run, a lower bound. */
export interface AuditSummary {
  /** Name of the population, or of the audit plan. */
  readonly population: string;
  /** Lower bound on epsilon, by the f-DP test. */
  readonly epsilonLower: number;
  /** The weaker lower bound that assumes nothing but (epsilon, delta) (Steinke et al. 2023). */
  readonly epsilonLowerSteinke: number;
  /** Upper bound that the plan of the audited run claims. */
  readonly epsilonUpper: number;
  /** At this delta. */
  readonly delta: number;
  /** Confidence of the lower bound, e.g. 0.95. */
  readonly confidence: number;
  /** How: `one_run` (Steinke et al. 2023) or `one_run_fdp` (Mahloujifar et al. 2024). */
  readonly method: string;
  /** Canaries, guesses and correct guesses. */
  readonly canaries: number;
  /** Guesses made. */
  readonly guesses: number;
  /** Guesses that were right. */
  readonly correct: number;
  /** p-value of the claimed trade-off curve; one below 0.001 refutes the claim. */
  readonly pValue: number;
  /** Chance that an audit of this size refutes a build with half the noise. */
  readonly power?: number;
}

/** What the maker of a report knows of a ledger that lies with somebody else. */
export interface LedgerElsewhere {
  /** The site whose ledger it is. */
  readonly site: string;
  /** Steps that the site has taken part in, as the maker has counted them. */
  readonly steps: number;
  /** Position of the ledger that the maker has countersigned last; absent before the site's first visit. */
  readonly head?: LedgerHead;
}

/** What a report is made from. */
export interface ReportInput {
  /** Heading. */
  readonly title: string;
  /** ISO time stamp. */
  readonly generatedAt: string;
  /** The plan that ran, if there is one. */
  readonly plan?: DpPlan;
  /** Steps that were run; default: the most that any ledger charged, or all. */
  readonly steps?: number;
  /** One status per site. */
  readonly ledgers: readonly LedgerStatus[];
  /** Budgets as their sites have stated them, where the ledgers themselves are elsewhere. */
  readonly statements?: readonly ReportSite[];
  /** Every ledger that is elsewhere, stated or not. */
  readonly elsewhere?: readonly LedgerElsewhere[];
  /** Audits. */
  readonly audits?: readonly AuditSummary[];
  /** Releases that are not private. */
  readonly unaccounted: readonly UnaccountedRelease[];
  /** People with many units. */
  readonly groups: readonly PeopleGroup[];
}

/** One population of one site. */
export interface ReportBudgetRow {
  /** Name of the population. */
  readonly population: string;
  /** Whose presence is hidden. */
  readonly unit: PrivacyUnit;
  /** Neighbouring relation. */
  readonly neighboring: string;
  /** Epsilon of the budget. */
  readonly budget: number;
  /** Delta of the budget. */
  readonly delta: number;
  /** Delta that no accepted plan has claimed. */
  readonly deltaLeft: number;
  /** Spent, by PLD. */
  readonly spent: number;
  /** Spent, by RDP. */
  readonly spentRdp?: number;
  /** Left. */
  readonly left: number;
  /** Promised to accepted plans. */
  readonly committed: number;
  /** Steps charged. */
  readonly rounds: number;
  /** Further steps of the last kind that fit. */
  readonly roundsLeft?: number;
  /** Lower bound by audit. */
  readonly auditLower?: number;
}

/** One site. */
export interface ReportSite {
  /** Name. */
  readonly site: string;
  /** Ledger head. */
  readonly head: LedgerHead;
  /** When its ledger was opened. */
  readonly since: string;
  /** Lines lost to power cuts, counted as spent. */
  readonly tornLines: number;
  /** Budgets that were added or changed after the ledger was opened, oldest first. */
  readonly budgetChanges: LedgerStatus["budgetChanges"];
  /** Populations. */
  readonly rows: readonly ReportBudgetRow[];
}

/** What people with many units really have. */
export interface ReportGroup extends PeopleGroup {
  /** Whose presence the plan hides. */
  readonly unit: PrivacyUnit;
  /** Epsilon for one unit. */
  readonly epsilonPerUnit: number;
  /** Epsilon for one person, coalition view; null where it is beyond any meaning (above 1000). */
  readonly epsilonPerPerson: number | null;
  /** At this delta. */
  readonly delta: number;
}

/** Curves of one population, coalition view. */
export interface ReportCurves {
  /** Name of the population. */
  readonly population: string;
  /** [round, epsilon] pairs. */
  readonly epsilonByRound: readonly (readonly [number, number])[];
  /** [false-positive rate, false-negative rate] pairs: no test for one unit does better. */
  readonly tradeOff: readonly (readonly [number, number])[];
  /** Largest true-positive rate at a false-positive rate of 0.1 %. */
  readonly truePositiveRate: number;
}

/** What the report says of the plan. */
export interface ReportPlan {
  /** SHA-256. */
  readonly hash: string;
  /** Steps planned. */
  readonly steps: number;
  /** Steps run. */
  readonly stepsRun: number;
  /** Coordinates released in each step. */
  readonly dimension: number;
  /** Noise over sensitivity that is sure to remain against the coalition. */
  readonly noiseMultiplier: number;
  /** Sites, fewest survivors, colluders, honest shares. */
  readonly cohort: {
    readonly n: number;
    readonly nMin: number;
    readonly colluders: number;
    readonly honestShares: number;
  };
  /** Neighbouring relation. */
  readonly neighboring: string;
  /** Whether sets compose in parallel. */
  readonly setsAreDisjoint: boolean;
  /** Sampling rate and clip bound of every population. */
  readonly populations: readonly {
    readonly name: string;
    readonly unit: PrivacyUnit;
    readonly samplingRate: number;
    readonly maxGradNorm: number;
    readonly maxSitesPerUnit: number;
  }[];
}

/** The budget report, as data: `fedkim-privacy-report/1`. */
export interface PrivacyReport {
  /** Format tag. */
  readonly format: "fedkim-privacy-report/1";
  /** Heading. */
  readonly title: string;
  /** ISO time stamp. */
  readonly generatedAt: string;
  /** The paragraphs for a data-protection officer. */
  readonly summary: readonly string[];
  /** The plan. */
  readonly plan?: ReportPlan;
  /** Epsilon by population, view and survivors. */
  readonly views: readonly ViewGuarantee[];
  /** Budgets by site. */
  readonly sites: readonly ReportSite[];
  /** Ledgers that the maker of the report has not read; absent where it has read all. */
  readonly elsewhere?: readonly LedgerElsewhere[];
  /** People with many units. */
  readonly groups: readonly ReportGroup[];
  /** Curves for the plots. */
  readonly curves: readonly ReportCurves[];
  /** Audits. */
  readonly audits: readonly AuditSummary[];
  /** Releases that are not private. */
  readonly unaccounted: readonly UnaccountedRelease[];
  /** Largest numeric slack of the PLD bounds, in delta. */
  readonly numericSlack: number;
}
