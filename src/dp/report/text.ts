import { markdownTable, markdownText } from "../../formats/markdown.ts";
import {
  auditTable,
  budgetTables,
  changeTable,
  elsewhereTable,
  groupTable,
  methodTable,
  type ReportTable,
  unaccountedTable,
  viewTable,
} from "./tables.ts";
import type { PrivacyReport } from "./types.ts";

/** The tables that have rows, with headings. */
function tablesOf(report: PrivacyReport): ReportTable[] {
  const titled = budgetTables(report).map((t) => ({ ...t, caption: `Budget of ${t.caption}` }));
  const others = [
    changeTable,
    elsewhereTable,
    viewTable,
    groupTable,
    auditTable,
    unaccountedTable,
    methodTable,
  ].map((make) => make(report));
  return [...titled, ...others].filter((t) => t.rows.length > 0);
}

function wrap(text: string, width: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line.length + word.length + 1 > width && line !== "") {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].join("\n");
}

function columns(t: ReportTable): string {
  const widths = t.head.map((h, i) => Math.max(h.length, ...t.rows.map((r) => (r[i] ?? "").length)));
  const line = (cells: readonly string[]) => cells.map((c, i) => c.padEnd(widths[i])).join("  ").trimEnd();
  return [line(t.head), line(widths.map((w) => "-".repeat(w))), ...t.rows.map(line)].join("\n");
}

/** The report for a terminal, 100 columns for prose. */
export function renderTerminal(report: PrivacyReport): string {
  const parts = [
    `${report.title}\n${"=".repeat(report.title.length)}`,
    ...report.summary.map((p) => wrap(p, 100)),
  ];
  for (const t of tablesOf(report)) parts.push(`${t.caption}\n${columns(t)}`);
  return `${parts.join("\n\n")}\n`;
}

/** The report as GitHub-flavoured Markdown. */
export function renderMarkdown(report: PrivacyReport): string {
  const parts = [
    `# ${markdownText(report.title)}`,
    `Made on ${markdownText(report.generatedAt)}.`,
    ...report.summary.map(markdownText),
  ];
  for (const t of tablesOf(report)) {
    parts.push(`## ${markdownText(t.caption)}`, markdownTable(t.head, t.rows).join("\n"));
  }
  return `${parts.join("\n\n")}\n`;
}
