import type { RoutingReport } from "./routing.ts";

/** Sizes in pixels. */
const CELL_WIDTH = 64;
const CELL_HEIGHT = 26;
const TOP = 56;
const MARGIN = 12;
const CHARACTER = 6.6;

/** Colour of the largest weight: red, green, blue. */
const DARKEST = [8, 48, 107];

/**
 * The routing report as an SVG heat map: tasks down, experts across, darker for more weight. Every cell also carries
 * its number as text, and the picture a title and a description, so that it can be read without colours or by a
 * screen reader. It has no script and no style sheet: it can stand inside a page with a strict policy.
 *
 * @param report the report
 * @param title heading of the picture
 * @returns an SVG document
 */
export function routingHeatMap(report: RoutingReport, title: string = "Gate weights by task"): string {
  const { tasks, expertLoad, maxEntropy } = report;
  const rows = [
    ...tasks.map(({ task, weights, entropy }) => ({ label: task, weights, entropy: entropy.toFixed(2) })),
    { label: "mean load", weights: expertLoad, entropy: "" },
  ];
  const left = MARGIN + CHARACTER * Math.max(...rows.map(({ label }) => label.length)) + 8;
  const width = Math.ceil(left + CELL_WIDTH * (expertLoad.length + 1) + MARGIN);
  const height = TOP + CELL_HEIGHT * rows.length + MARGIN;
  const most = Math.max(...rows.flatMap(({ weights }) => weights), 1e-9);
  const header = [...expertLoad.map((_, expert) => `expert ${expert + 1}`), "entropy"]
    .map((text, column) => label(text, left + CELL_WIDTH * (column + 0.5), TOP - 8, "middle"));
  const body = rows.flatMap(({ label: name, weights, entropy }, row) => {
    const y = TOP + CELL_HEIGHT * row;
    const baseline = y + CELL_HEIGHT / 2 + 4;
    return [
      label(name, left - 8, baseline, "end"),
      ...weights.map((weight, expert) =>
        heatCell(weight, weight / most, left + CELL_WIDTH * expert, y, `${name}, expert ${expert + 1}`)
      ),
      label(entropy, left + CELL_WIDTH * (weights.length + 0.5), baseline, "middle"),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `role="img" aria-labelledby="routing-title routing-description" font-family="sans-serif" font-size="12">`,
    `<title id="routing-title">${escapeXml(title)}</title>`,
    `<desc id="routing-description">${escapeXml(description(report))}</desc>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${MARGIN}" y="22" font-size="15" fill="#1a1a1a">${escapeXml(title)}</text>`,
    label(`entropy in nats, at most ${maxEntropy.toFixed(2)}`, width - MARGIN, 22, "end"),
    ...header,
    ...body,
    "</svg>",
    "",
  ].join("\n");
}

/** One cell: from white to dark blue, with the text in whichever of black and white contrasts more. */
function heatCell(weight: number, share: number, x: number, y: number, name: string): string {
  const colour = DARKEST.map((dark) => Math.round(255 + (dark - 255) * share));
  // White and black contrast alike with a luminance of 0.179 (WCAG 2): about 4.6 to 1, the least there is.
  const text = luminance(colour) < 0.179 ? "#ffffff" : "#000000";
  const value = weight.toFixed(2);
  return `<g><title>${escapeXml(name)}: ${value}</title>` +
    `<rect x="${x}" y="${y}" width="${CELL_WIDTH}" height="${CELL_HEIGHT}" fill="rgb(${colour.join()})" stroke="#d0d0d0"/>` +
    `<text x="${x + CELL_WIDTH / 2}" y="${y + CELL_HEIGHT / 2 + 4}" text-anchor="middle" fill="${text}">` +
    `${value}</text></g>`;
}

/** Relative luminance of an sRGB colour, as WCAG 2 defines it. */
function luminance(colour: readonly number[]): number {
  const [r, g, b] = colour.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function label(text: string, x: number, y: number, anchor: "middle" | "end"): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="#1a1a1a">${escapeXml(text)}</text>`;
}

function description({ tasks }: RoutingReport): string {
  return tasks.map(({ task, weights }) => {
    const top = weights.indexOf(Math.max(...weights));
    return `${task}: most weight on expert ${top + 1} (${weights[top].toFixed(2)})`;
  }).join("; ");
}

function escapeXml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => entities[character]);
}
