/**
 * The privacy budget report: what was promised to whom, what was spent, what is left, and what is not
 * covered.
 *
 * `buildReport` makes plain data from ledgers, plan, audits and the caller's list of other releases:
 * budgets per site and set, epsilon by who looks, what people with many records really have, curves,
 * audits, numeric slack. Renderers turn the same data into a terminal text, Markdown, or one self-contained
 * page with inline plots, light and dark, printable and readable without sight or script. Printed upper
 * bounds are rounded up, lower bounds down.
 *
 * @module
 */
export { lower as lowerBoundText, upper as upperBoundText } from "./format.ts";
export { buildReport } from "./build.ts";
export { STYLE as PAGE_STYLE } from "./html_style.ts";
export { renderPlot } from "./svg_plot.ts";
export type { Plot, PlotSeries } from "./svg_plot.ts";
export { REFUTED } from "./tables.ts";
export { renderHtml } from "./html.ts";
export { renderMarkdown, renderTerminal } from "./text.ts";
export type {
  AuditSummary,
  LedgerElsewhere,
  PeopleGroup,
  PrivacyReport,
  ReportBudgetRow,
  ReportCurves,
  ReportGroup,
  ReportInput,
  ReportPlan,
  ReportSite,
  UnaccountedRelease,
} from "./types.ts";
