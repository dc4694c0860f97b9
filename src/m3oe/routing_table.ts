import type { RoutingReport } from "./routing.ts";

/**
 * The routing report as a Markdown table: one row per task, then the experts' load.
 *
 * @param report the report
 * @returns the table, with a line on entropy below
 */
export function routingTable({ tasks, expertLoad, maxEntropy }: RoutingReport): string {
  const experts = expertLoad.map((_, expert) => `expert ${expert + 1}`);
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(["task", "modalities", ...experts, "entropy"]),
    line(["---", "---", ...experts.map(() => "---:"), "---:"]),
    ...tasks.map(({ task, modalityDescription, weights, entropy }) =>
      line([cell(task), cell(modalityDescription), ...weights.map(percent), entropy.toFixed(3)])
    ),
    line(["mean load", "", ...expertLoad.map(percent), ""]),
    "",
    `Entropy in nats; ${maxEntropy.toFixed(3)} when all experts are used alike.`,
  ].join("\n");
}

/** Text that a table's cell can hold. */
function cell(text: string): string {
  return text.replace(/\s+/g, " ").replaceAll("|", "\\|");
}

function percent(weight: number): string {
  return `${(100 * weight).toFixed(1)} %`;
}
