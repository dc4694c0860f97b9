import { lower, moment, percent, probability, probabilityUpper, relation, upper } from "./format.ts";
import type { PrivacyReport, ReportSite } from "./types.ts";

/** An audit with a p-value below this refutes what the accounting says. */
export const REFUTED = 0.001;

/** A table as text cells, for every renderer. */
export interface ReportTable {
  /** Caption. */
  readonly caption: string;
  /** Column titles. */
  readonly head: readonly string[];
  /** Cells. */
  readonly rows: readonly (readonly string[])[];
}

const VIEWS = {
  public: "everyone (published model)",
  server: "the server",
  participant: "one other hospital",
  coalition: "server and colluding hospitals",
} as const;

/** Budget of each population at each site. */
export function budgetTables(report: PrivacyReport): ReportTable[] {
  return report.sites.map((site) => ({
    caption: site.site,
    head: [
      "Set",
      "Unit",
      "Budget ε",
      "Spent ε (PLD)",
      "Spent ε (RDP)",
      "Left ε",
      "δ",
      "δ left",
      "Rounds",
      "Rounds left",
    ],
    rows: site.rows.map((r) => [
      r.population,
      r.unit,
      `${r.budget}`,
      upper(r.spent, 3),
      r.spentRdp === undefined ? "–" : upper(r.spentRdp, 3),
      lower(r.left, 3),
      probability(r.delta),
      probability(r.deltaLeft),
      `${r.rounds}`,
      r.roundsLeft === undefined ? "–" : `${r.roundsLeft}`,
    ]),
  }));
}

/** Epsilon by who looks. */
export function viewTable(report: PrivacyReport): ReportTable {
  return {
    caption: "Epsilon by who looks",
    head: ["Set", "Unit", "Who looks", "Hospitals present", "Noise left", "ε (PLD)", "ε (RDP)", "δ"],
    rows: report.views.map((v) => [
      v.population,
      v.unit,
      VIEWS[v.view],
      `${v.survivors}`,
      lower(v.noiseMultiplier, 3),
      upper(v.epsilon, 3),
      v.epsilonRdp === undefined ? "–" : upper(v.epsilonRdp, 3),
      probabilityUpper(v.delta),
    ]),
  };
}

/** Budgets that were added or changed. */
export function changeTable(report: PrivacyReport): ReportTable {
  const amount = (budget: ReportSite["budgetChanges"][number]["to"] | null) =>
    budget === null ? "none" : `ε ${budget.epsilon}, δ ${probability(budget.delta)}`;
  return {
    caption: "Changes of budgets",
    head: ["When", "Hospital", "Set", "Before", "Since then"],
    rows: report.sites.flatMap(({ site, budgetChanges }) =>
      budgetChanges.map(({ at, population, from, to }) => [
        moment(at),
        site,
        population,
        amount(from),
        amount(to),
      ])
    ),
  };
}

/** Ledgers that the maker of the report has not read. */
export function elsewhereTable({ elsewhere = [], sites }: PrivacyReport): ReportTable {
  return {
    caption: "Ledgers that lie at the hospitals",
    head: [
      "Hospital",
      "Steps counted here",
      "Newest entry countersigned here",
      "What the hospital has stated",
    ],
    rows: elsewhere.map(({ site, steps, head }) => {
      const stated = sites.find((other) => other.site === site)?.head;
      return [
        site,
        `${steps}`,
        head === undefined ? "none yet" : `${head.sequence}, ${head.hash.slice(0, 16)}…`,
        stated === undefined
          ? "nothing"
          : stated.sequence !== head?.sequence
          ? `its budgets, as of entry ${stated.sequence}`
          : stated.hash === head.hash
          ? "its budgets, as of that entry"
          : `budgets of another ledger: its entry ${stated.sequence} is ${stated.hash.slice(0, 16)}…`,
      ];
    }),
  };
}

/** People with many units. */
export function groupTable(report: PrivacyReport): ReportTable {
  return {
    caption: "People with many units",
    head: ["Set", "People", "Units per person, at most", "ε per unit", "ε per person"],
    rows: report.groups.map((g) => [
      g.population,
      g.people,
      `${g.maxUnits}`,
      upper(g.epsilonPerUnit, 3),
      g.epsilonPerPerson === null ? "above 1000: no protection" : upper(g.epsilonPerPerson, 3),
    ]),
  };
}

/** Audits. */
export function auditTable(report: PrivacyReport): ReportTable {
  return {
    caption: "Audits of the real path",
    head: [
      "Audited",
      "Canaries",
      "Right / guesses",
      "ε at least (f-DP)",
      "ε at least (Steinke)",
      "ε claimed, at most",
      "δ",
      "p-value",
      "Power",
      "Verdict",
    ],
    rows: report.audits.map((a) => [
      a.population,
      `${a.canaries}`,
      `${a.correct} / ${a.guesses}`,
      `${lower(a.epsilonLower, 3)} (${percent(a.confidence)})`,
      `${lower(a.epsilonLowerSteinke, 3)} (${percent(a.confidence)})`,
      upper(a.epsilonUpper, 3),
      probability(a.delta),
      probability(a.pValue),
      a.power === undefined ? "–" : a.power.toFixed(2),
      a.pValue < REFUTED ? "REFUTED" : "not refuted",
    ]),
  };
}

/** Releases that the accounting does not cover. */
export function unaccountedTable(report: PrivacyReport): ReportTable {
  return {
    caption: "Not covered by these numbers",
    head: ["What others can learn", "Who", "What limits it"],
    rows: report.unaccounted.map((u) => [u.what, u.seenBy, u.note]),
  };
}

/** How the numbers came about. */
export function methodTable(report: PrivacyReport): ReportTable {
  const { plan } = report;
  const rows: string[][] = [];
  if (plan !== undefined) {
    const { cohort } = plan;
    rows.push(
      ["Plan (SHA-256)", plan.hash],
      ["Steps", `${plan.stepsRun} run of ${plan.steps} planned`],
      ["Coordinates in each sum", `${plan.dimension}`],
      ["Noise multiplier against the coalition", `${plan.noiseMultiplier}`],
      [
        "Hospitals",
        `${cohort.n} invited, at least ${cohort.nMin} in every sum, ` +
        `${cohort.colluders} assumed to collude, ${cohort.honestShares} noise shares counted`,
      ],
      ["Neighbouring data", relation(plan.neighboring)],
      [
        "Sets",
        plan.setsAreDisjoint ? "a unit is in one set only (parallel composition)" : "composed in full",
      ],
      ...plan.populations.map((p) => [
        `Set ${p.name}`,
        `sampling rate ${p.samplingRate} by Poisson sampling from the operating system's random numbers; ` +
        `gradient clipped to ${p.maxGradNorm} per ${p.unit}; ${
          p.maxSitesPerUnit === 1
            ? `a unit is one ${p.unit} at one site`
            : `a unit is one ${p.unit} at up to ${p.maxSitesPerUnit} sites`
        }`,
      ]),
      ["Numeric slack of the PLD bounds", `${probabilityUpper(report.numericSlack)} in delta`],
    );
  }
  for (const site of report.sites) {
    const torn = site.tornLines === 0 ? "" : `; torn lines counted as spent: ${site.tornLines}`;
    rows.push([
      `Ledger of ${site.site}`,
      `record ${site.head.sequence}, SHA-256 ${site.head.hash}, since ${site.since}${torn}`,
    ]);
  }
  return { caption: "How the numbers came about", head: ["What", "Value"], rows };
}
