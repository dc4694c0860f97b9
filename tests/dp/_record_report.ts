import {
  buildReport,
  createPlan,
  renderHtml,
  renderMarkdown,
  renderPlot,
  renderTerminal,
} from "../../src/dp/mod.ts";
import {
  count,
  lower,
  moment,
  percent,
  probability,
  probabilityUpper,
  relation,
  upper,
} from "../../src/dp/report/format.ts";
import { escapeHtml } from "../../src/dp/report/svg_plot.ts";
import type { Figures } from "./_record.ts";
import { REPORTS } from "./_report_samples.ts";

const PLOT = {
  id: "p",
  title: "T",
  description: "D",
  xLabel: "x",
  yLabel: "y",
  labels: "ends",
  series: [],
} as const;

/** Pages, plots and phrases, letter by letter. */
export const FIGURES: Figures = {
  ...Object.fromEntries(
    Object.entries(REPORTS).flatMap(([name, report]) => [
      [`${name} page`, () => lines(renderHtml(report))],
      [`${name} text`, () => lines(renderTerminal(report))],
      [`${name} Markdown`, () => lines(renderMarkdown(report))],
    ]),
  ),
  "a page with a way back": () => lines(renderHtml(REPORTS.bare, "../index.html?a&b")),
  "plots of nothing, of one point and of large numbers": () => [
    renderPlot(PLOT),
    renderPlot({ ...PLOT, series: [{ label: "one", points: [[3, 7]] }] }),
    renderPlot({
      ...PLOT,
      series: [{ label: "zero", points: [[0, 0]] }],
      limit: { value: 0.3, label: "limit" },
    }),
    ...[1, 1.9, 2.2, 4.9, 7, 43, 120, 99_000].map((high) =>
      renderPlot({
        ...PLOT,
        labels: "legend",
        series: [{ label: "s", points: [[0, 0], [high, high / 3]] }],
        limit: { value: high / 2, label: "l" },
      })
    ),
    renderPlot({
      ...PLOT,
      series: Array.from(
        { length: 20 },
        (_, i) => ({ label: `s${i}`, points: [[0, 0], [1, i / 1000]] as [number, number][] }),
      ),
    }),
  ],
  "numbers rounded up, down, and as probabilities": () =>
    [0, 1, 1.001, 1.0000000001, 2.5, 2.4999, 1e-9, 1e5, 0.999, 0.125].map((x) => [
      upper(x),
      upper(x, 3),
      upper(x, 0),
      lower(x),
      lower(x, 3),
      lower(x, 0),
      probability(x),
      probabilityUpper(x),
      percent(x),
    ]),
  "what is no number":
    () => [upper(null), upper(Infinity), upper(NaN), percent(0.9995), percent(0.99949), percent(1)],
  "sums that doubles miss by a little": () => [
    upper(0.1 + 0.2, 1),
    lower(0.7 + 0.1, 1),
    upper(1.0000000005),
    lower(0.9999999995),
    upper(1.0000000015, 0),
    lower(0.9999999985, 0),
    upper(1.00000000105, 0),
    upper(1.0000000019, 0),
    lower(0.9999999981, 0),
  ],
  "moments, counts and relations": () => [
    moment("2026-02-03T04:05:06.789Z"),
    [0, 1, 2].map((n) => count(n, "line")),
    ["add_or_remove_one", "replace_one", "replace_special"].map(relation),
    escapeHtml(`a<b>&"c"'d'`),
  ],
  "a report built from a plan": () => {
    const plan = createPlan({
      populations: [
        { name: "icu", unit: "patient", samplingRate: 0.5, maxGradNorm: 1 },
        { name: "ecg", unit: "record", samplingRate: 0.5, maxGradNorm: 3 },
      ],
      setsAreDisjoint: true,
      neighboring: "add_or_remove_one",
      steps: 30,
      dimension: 100,
      cohort: { n: 4, nMin: 3, colluders: 1 },
      maxUnitsPerStep: 100,
      delta: 1e-5,
      target: { noiseMultiplier: 4 },
    });
    const { summary, views, curves, groups, numericSlack } = buildReport({
      title: "t",
      generatedAt: "now",
      plan,
      steps: 17,
      ledgers: [],
      unaccounted: [],
      groups: [
        { population: "ecg", people: "some", maxUnits: 3 },
        { population: "icu", people: "many", maxUnits: 110 },
      ],
    });
    return { summary, views, curves, groups, slack: { transformNoise: numericSlack } };
  },
};

function lines(text: string): readonly string[] {
  return text.split("\n");
}
