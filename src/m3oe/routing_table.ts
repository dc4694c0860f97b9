import { markdownTable } from "../formats/markdown.ts";
import type { RoutingReport } from "./routing.ts";

/**
 * The routing report as a Markdown table: one row per task, then the experts' load.
 *
 * @param report the report
 * @returns the table, with a line on entropy below
 */
export function routingTable({ tasks, expertLoad, maxEntropy }: RoutingReport): string {
  const experts = expertLoad.map((_, expert) => `expert ${expert + 1}`);
  const rows = tasks.map(({ task, modalityDescription, weights, entropy }) => {
    return [task, modalityDescription, ...weights.map(percent), entropy.toFixed(3)];
  });
  return [
    ...markdownTable(
      ["task", "modalities", ...experts, "entropy"],
      [...rows, ["mean load", "", ...expertLoad.map(percent), ""]],
      [...experts.keys(), experts.length].map((column) => column + 2),
    ),
    "",
    `Entropy in nats; ${maxEntropy.toFixed(3)} when all experts are used alike.`,
  ].join("\n");
}

function percent(weight: number): string {
  return `${(100 * weight).toFixed(1)} %`;
}
