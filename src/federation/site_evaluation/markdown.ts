import { markdownTable } from "../../formats/markdown.ts";
import type { Estimate } from "./intervals.ts";
import type { CrossSiteEvaluation, GroupResult } from "./result.ts";
import type { SuppressionReason } from "./suppression.ts";

const SUPPRESSED: Readonly<Record<SuppressionReason, string>> = {
  below_minimum_count: "too few",
  within_noise: "hidden by the noise",
  by_subtraction: "hidden with a smaller group",
};

/** The results as text, for every page that shows them. Nothing in it is escaped. */
export interface CrossSiteTable {
  /** Whose results they are, and what is promised to them. */
  readonly said: string;
  /** Headings. */
  readonly head: readonly string[];
  /** A row for each task and group, with a cell for each heading. */
  readonly rows: readonly (readonly string[])[];
}

/** Lays the results out. */
export function crossSiteTable({ tasks, sites, privacy }: CrossSiteEvaluation): CrossSiteTable {
  const [promise] = privacy;
  const epsilon = Math.max(...privacy.map(({ epsilon }) => epsilon)).toFixed(3);
  return {
    said: `Held-out patients of ${sites} sites, seen only as one noised sum (epsilon ${epsilon} at delta ` +
      `${promise.delta} for each of them). Every patient counts once, whatever the number of their records; ` +
      "intervals cover the choice of patients and the noise.",
    head: [
      "task",
      "group",
      "patients",
      "positive",
      "AUROC",
      "accuracy",
      "Brier score",
      "calibration-in-the-large",
    ],
    rows: Object.entries(tasks).flatMap(([task, { groups, together = [] }]) =>
      [...groups, ...together].map((group) => row(task, group))
    ),
  };
}

/** The results as a section of Markdown, for the model card. */
export function crossSiteMarkdown(result: CrossSiteEvaluation): string[] {
  const { said, head, rows } = crossSiteTable(result);
  return [said, "", ...markdownTable(head, rows)];
}

function row(task: string, group: GroupResult): string[] {
  const name = group.dimension === "all" ? "all" : `${group.dimension}: ${group.level}`;
  if (group.suppressed) return [task, name, SUPPRESSED[group.reason], "", "", "", "", ""];
  const { n, positives, auroc, accuracy, brier, calibrationInTheLarge } = group.figures;
  return [
    task,
    name,
    cell(n, 0),
    cell(positives, 0),
    cell(auroc, 3),
    cell(accuracy, 3),
    cell(brier, 3),
    cell(calibrationInTheLarge, 3),
  ];
}

function cell(estimate: Estimate | null, digits: number): string {
  if (estimate === null) return "not defined";
  const { value, low, high } = estimate;
  if (low === undefined || high === undefined) return value.toFixed(digits);
  return `${value.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}
