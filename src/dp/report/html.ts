import { lower, probability, upper } from "./format.ts";
import { STYLE } from "./html_style.ts";
import { escapeHtml, type Plot, renderPlot } from "./svg_plot.ts";
import {
  auditTable,
  changeTable,
  elsewhereTable,
  groupTable,
  methodTable,
  type ReportTable,
  unaccountedTable,
  viewTable,
} from "./tables.ts";
import type { PrivacyReport, ReportBudgetRow, ReportSite } from "./types.ts";

function section(title: string, ...content: readonly string[]): string {
  return `<section><h2>${escapeHtml(title)}</h2>${content.join("\n")}</section>`;
}

function paragraph(text: string, style = ""): string {
  return `<p${style && ` class="${style}"`}>${escapeHtml(text)}</p>`;
}

/** Numbers, shares and times: not to be broken at a hyphen or a space. */
const FIGURE = /^[\d.e:/%() -]{1,20}( UTC)?$/;

function table(t: ReportTable, captioned = true, style = ""): string {
  const head = t.head.map((h) => `<th scope="col">${escapeHtml(h)}</th>`).join("");
  const kept = (text: string) => (FIGURE.test(text) ? ' class="figure"' : "");
  const rows = t.rows.map(([first, ...rest]) =>
    `<tr><th scope="row"${kept(first)}>${escapeHtml(first)}</th>${
      rest.map((c) => `<td${kept(c)}>${escapeHtml(c)}</td>`).join("")
    }</tr>`
  ).join("\n");
  const name = escapeHtml(t.caption);
  return `<div class="scroll" tabindex="0" role="region" aria-label="${name}"><table${
    style && ` class="${style}"`
  }>${
    captioned ? `<caption>${name}</caption>` : ""
  }<thead><tr>${head}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

function bar(row: ReportBudgetRow): string {
  const share = Math.min(1, row.spent / row.budget);
  return `<svg class="track${share > 0.9 ? " full" : ""}" viewBox="0 0 100 8" preserveAspectRatio="none" ` +
    `aria-hidden="true"><rect class="fill" width="${(100 * share).toFixed(1)}" height="8"/></svg>`;
}

/** Budget table with a bar: the one table that is read by everybody. */
function budget(site: ReportSite): string {
  const audited = site.rows.some((r) => r.auditLower !== undefined);
  const head = [
    "Set",
    "Whose presence is hidden",
    "Spent of budget (ε)",
    "Left",
    "δ left of budget",
    "RDP, for comparison",
    ...(audited ? ["Audit, at least"] : []),
    "Rounds",
    "Rounds left",
  ].map((h) => `<th scope="col">${h}</th>`).join("");
  const rows = site.rows.map((r) =>
    `<tr><th scope="row">${escapeHtml(r.population)}</th><td>one ${escapeHtml(r.unit)}</td>` +
    `<td>${upper(r.spent, 2)} of ${r.budget}${bar(r)}</td><td>${lower(r.left, 2)}</td>` +
    `<td>${probability(r.deltaLeft)} of ${probability(r.delta)}</td>` +
    `<td>${r.spentRdp === undefined ? "–" : upper(r.spentRdp, 2)}</td>` +
    (audited ? `<td>${r.auditLower === undefined ? "–" : lower(r.auditLower, 2)}</td>` : "") +
    `<td>${r.rounds}</td><td>${r.roundsLeft ?? "–"}</td></tr>`
  ).join("\n");
  const name = escapeHtml(site.site);
  return `<div class="scroll" tabindex="0" role="region" aria-label="Budget of ${name}"><table>` +
    `<caption>${name}</caption><thead><tr>${head}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

function epsilonPlot(report: PrivacyReport): Plot {
  const budgets = new Set(report.sites.flatMap((site) => site.rows.map((r) => r.budget)));
  const only = budgets.size === 1 ? [...budgets][0] : undefined;
  return {
    id: "plot-epsilon",
    title: "Epsilon against rounds",
    description: report.curves.map((c) => {
      const last = c.epsilonByRound[c.epsilonByRound.length - 1];
      return `${c.population}: ${upper(last[1])} after ${last[0]} rounds`;
    }).join("; "),
    xLabel: "rounds",
    yLabel: "epsilon, at most",
    labels: "ends",
    series: report.curves.map((c) => ({
      label: c.population,
      points: c.epsilonByRound.filter((p) => Number.isFinite(p[1])),
    })),
    ...(only === undefined ? {} : { limit: { value: only, label: `budget ${only}` } }),
  };
}

function tradeOffPlot(report: PrivacyReport): Plot {
  return {
    id: "plot-trade-off",
    title: "Trade-off curve",
    description: "Smallest share of missed units for each share of wrong accusations, for any test; " +
      "the dashed diagonal is guessing.",
    xLabel: "wrong accusations (false-positive rate)",
    yLabel: "missed, at least (false-negative rate)",
    labels: "legend",
    series: report.curves.map((c) => ({ label: c.population, points: c.tradeOff })),
    reference: { from: [0, 1], to: [1, 0] },
  };
}

function figure(plot: Plot, caption: string): string {
  return `<figure>${renderPlot(plot)}<figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}

/**
 * The report as one self-contained page: no script, no request to anywhere.
 * @param back address that a link above the heading leads to, where the page is part of others
 */
export function renderHtml(report: PrivacyReport, back?: string): string {
  const parts = [
    back === undefined ? "" : `<nav><a href="${escapeHtml(back)}">Back</a></nav>`,
    `<header><h1>${escapeHtml(report.title)}</h1>`,
    paragraph(`Made on ${report.generatedAt}. Every epsilon is an upper bound, rounded up.`, "meta"),
    `</header><main><div class="lead">${report.summary.map((p) => paragraph(p)).join("")}</div>`,
  ];
  const changes = changeTable(report);
  if (report.sites.length > 0) {
    parts.push(section(
      "Budgets",
      paragraph(
        "Each hospital charges its own ledger before anything leaves it. The PLD accountant decides; RDP " +
          "is a second, looser and independent calculation. Delta that is left is what further plans can be given; " +
          "without any, a ledger of signed schedules takes no further plan.",
        "note",
      ),
      ...report.sites.map(budget),
      ...(changes.rows.length > 0 ? [table(changes)] : []),
    ));
  }
  const elsewhere = elsewhereTable(report);
  if (elsewhere.rows.length > 0) {
    parts.push(section(
      "Ledgers that lie at the hospitals",
      paragraph(
        "Whoever made this report cannot read them. A countersigned entry fixes everything before it: a hospital " +
          "could not show another history later. Budgets above are the hospitals' own statements, where they have " +
          "sent one; what the plan promises holds without them.",
        "note",
      ),
      table(elsewhere, false),
    ));
  }
  if (report.curves.length > 0) {
    parts.push(section(
      "How the privacy loss grows",
      figure(
        epsilonPlot(report),
        "Epsilon against rounds, in the view of the server together with the colluding hospitals.",
      ),
      figure(
        tradeOffPlot(report),
        "What a test for one unit's presence can do at best; on the diagonal no better than guessing.",
      ),
    ));
  }
  if (report.views.length > 0) {
    parts.push(section(
      "Who sees what",
      paragraph(
        "A hospital knows the noise that it added itself, so for it less noise is left than for the public.",
        "note",
      ),
      table(viewTable(report), false),
    ));
  }
  if (report.groups.length > 0) {
    parts.push(section("People with many records", table(groupTable(report), false)));
  }
  if (report.audits.length > 0) {
    parts.push(section(
      "Audit",
      paragraph(
        "Artificial units were put into the real training and aggregation path at random and guessed " +
          "from the result, under a plan and a ledger of the audit's own. The lower bounds must stay below the claim; " +
          "p < 0.001 refutes it. Power is the chance that a build with half the noise would have been refuted.",
        "note",
      ),
      table(auditTable(report), false),
    ));
  }
  parts.push(section(
    "Not covered by these numbers",
    report.unaccounted.length > 0
      ? table(unaccountedTable(report), false)
      : paragraph("The caller of this report named no further release."),
  ));
  parts.push(section("How the numbers came about", table(methodTable(report), false, "facts")), "</main>");
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8">` +
    `<meta name="viewport" content="width=device-width, initial-scale=1">` +
    `<title>${escapeHtml(report.title)}</title><style>${STYLE}</style></head>\n<body>${
      parts.join("\n")
    }</body></html>\n`;
}
