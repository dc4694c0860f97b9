import type { Estimate } from "./intervals.ts";
import type { CrossSiteEvaluation, GroupResult } from "./result.ts";

/** The results as a section of Markdown tables, for the model card. */
export function crossSiteMarkdown({ tasks, sites, privacy }: CrossSiteEvaluation): string[] {
  const [promise] = privacy;
  return [
    `Held-out patients of ${sites} sites, seen only as one noised sum (epsilon ${
      Math.max(...privacy.map(({ epsilon }) => epsilon)).toFixed(3)
    } at delta ${promise.delta} for each of them). Every patient counts once, whatever the number of their records; ` +
    "intervals cover the choice of patients and the noise.",
    "",
    "| task | group | patients | positive | AUROC | accuracy | Brier score | calibration-in-the-large |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ...Object.entries(tasks).flatMap(([task, { groups }]) => groups.map((group) => row(task, group))),
  ];
}

function row(task: string, group: GroupResult): string {
  const name = group.dimension === "all" ? "all" : `${group.dimension}: ${group.level}`;
  if (group.suppressed) {
    const why = group.reason === "within_noise" ? "hidden by the noise" : "too few";
    return `| ${task} | ${name} | ${why} | | | | | |`;
  }
  const { n, positives, auroc, accuracy, brier, calibrationInTheLarge } = group.figures;
  const cells = [
    cell(n, 0),
    cell(positives, 0),
    cell(auroc, 3),
    cell(accuracy, 3),
    cell(brier, 3),
    cell(calibrationInTheLarge, 3),
  ];
  return `| ${task} | ${name} | ${cells.join(" | ")} |`;
}

function cell(estimate: Estimate | null, digits: number): string {
  if (estimate === null) return "not defined";
  const { value, low, high } = estimate;
  if (low === undefined || high === undefined) return value.toFixed(digits);
  return `${value.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}
