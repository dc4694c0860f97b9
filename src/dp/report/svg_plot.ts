/** One line of a plot. */
export interface PlotSeries {
  /** Name, printed at the end of the line. */
  readonly label: string;
  /** [x, y] pairs, x ascending. */
  readonly points: readonly (readonly [number, number])[];
}

/** A line plot as data. */
export interface Plot {
  /** Unique name for references inside the page. */
  readonly id: string;
  /** What it shows, for people who do not see it. */
  readonly title: string;
  /** The same at more length. */
  readonly description: string;
  /** Axis titles. */
  readonly xLabel: string;
  /** Axis titles. */
  readonly yLabel: string;
  /** Lines. */
  readonly series: readonly PlotSeries[];
  /** Where names stand: at the ends of the lines, or in a legend where the ends meet. */
  readonly labels: "ends" | "legend";
  /** A horizontal reference line. */
  readonly limit?: { readonly value: number; readonly label: string };
  /** A dashed line from (x0, y0) to (x1, y1). */
  readonly reference?: { readonly from: readonly [number, number]; readonly to: readonly [number, number] };
}

const WIDTH = 640;
const HEIGHT = 340;
const LEFT = 58;
const RIGHT = 132;
const TOP = 16;
const BOTTOM = 46;
/** Lines differ by dash as well as by colour. */
const DASHES = ["", "8 4", "3 4", "10 4 3 4", "6 2", "14 4"];
/** Dash of the i-th line: lines that must share a colour differ in it. */
const dashOf = (i: number) => DASHES[(i + Math.floor(i / 6)) % DASHES.length];

/** Text that is safe inside of an element or attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** About five round tick values from 0 to `high`. */
function ticks(high: number): number[] {
  const rough = high / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough) ?? 10 * power;
  return Array.from({ length: Math.floor(high / step + 1e-9) + 1 }, (_, i) => i * step);
}

function tickText(value: number): string {
  return String(Number(value.toPrecision(6)));
}

/** Series with the same points share one line and one label. */
function merged(series: readonly PlotSeries[]): PlotSeries[] {
  const found = new Map<string, PlotSeries>();
  for (const one of series) {
    const key = JSON.stringify(one.points);
    const known = found.get(key);
    found.set(key, known ? { ...known, label: `${known.label}, ${one.label}` } : one);
  }
  return [...found.values()];
}

/** Label heights pushed apart so that no two overlap. */
function spreadLabels(wanted: readonly number[]): number[] {
  const gap = 17;
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b]);
  const placed = [...wanted];
  order.forEach((index, rank) => {
    if (rank > 0) placed[index] = Math.max(placed[index], placed[order[rank - 1]] + gap);
  });
  const over = Math.max(0, (placed[order[order.length - 1]] ?? 0) - (HEIGHT - BOTTOM));
  return placed.map((y) => y - over);
}

/** A plot as an inline SVG element that takes its colours from the page's style sheet. */
export function renderPlot(plot: Plot): string {
  const series = merged(plot.series.filter((s) => s.points.length > 0));
  const all = series.flatMap((s) => s.points);
  const xMax = Math.max(1e-9, ...all.map(([x]) => x));
  const yMax = 1.05 * Math.max(1e-9, plot.limit?.value ?? 0, ...all.map(([, y]) => y));
  const px = (x: number) => LEFT + (x / xMax) * (WIDTH - LEFT - RIGHT);
  const py = (y: number) => HEIGHT - BOTTOM - (y / yMax) * (HEIGHT - TOP - BOTTOM);
  const at = (x: number, y: number) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`;
  const parts: string[] = [];
  const right = WIDTH - RIGHT;
  for (const y of ticks(yMax)) {
    const h = py(y).toFixed(1);
    parts.push(`<line class="grid" x1="${LEFT}" y1="${h}" x2="${right}" y2="${h}"/>`);
    parts.push(`<text x="${LEFT - 8}" y="${h}" dy="0.35em" text-anchor="end">${tickText(y)}</text>`);
  }
  for (const x of ticks(xMax)) {
    parts.push(
      `<text x="${px(x).toFixed(1)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${tickText(x)}</text>`,
    );
  }
  if (plot.reference !== undefined) {
    const [from, to] = [plot.reference.from, plot.reference.to];
    parts.push(`<polyline class="limit" points="${at(from[0], from[1])} ${at(to[0], to[1])}"/>`);
  }
  const legend = plot.labels === "legend";
  const ends = legend ? series.map((_, i) => TOP + 12 + 20 * i) : spreadLabels([
    ...series.map((s) => py(s.points[s.points.length - 1][1])),
    ...(plot.limit === undefined ? [] : [py(plot.limit.value)]),
  ]);
  series.forEach((s, i) => {
    const path = s.points.map(([x, y]) => at(x, y)).join(" ");
    const dash = dashOf(i);
    parts.push(
      `<polyline class="line s${i % 6}"${dash && ` stroke-dasharray="${dash}"`} points="${path}"/>`,
    );
    if (legend) {
      const [x, y] = [WIDTH - RIGHT - 46, ends[i].toFixed(1)];
      const sample = `points="${x},${y} ${x + 46},${y}"`;
      parts.push(`<polyline class="line s${i % 6}"${dash && ` stroke-dasharray="${dash}"`} ${sample}/>`);
    }
    parts.push(label(ends[i], s.label, `s${i % 6}`));
  });
  if (plot.limit !== undefined) {
    const h = py(plot.limit.value).toFixed(1);
    parts.push(`<line class="limit" x1="${LEFT}" y1="${h}" x2="${right}" y2="${h}"/>`);
    parts.push(label(legend ? py(plot.limit.value) : ends[series.length], plot.limit.label, ""));
  }
  parts.push(
    `<line class="axis" x1="${LEFT}" y1="${HEIGHT - BOTTOM}" x2="${right}" y2="${HEIGHT - BOTTOM}"/>`,
    `<text x="${(LEFT + right) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${
      escapeHtml(plot.xLabel)
    }</text>`,
    `<text transform="translate(14 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${
      escapeHtml(plot.yLabel)
    }</text>`,
  );
  return `<svg class="plot" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="${plot.id}-t ${plot.id}-d">` +
    `<title id="${plot.id}-t">${escapeHtml(plot.title)}</title>` +
    `<desc id="${plot.id}-d">${escapeHtml(plot.description)}</desc>${parts.join("")}</svg>`;
}

function label(y: number, text: string, series: string): string {
  const short = text.length > 18 ? `${text.slice(0, 17)}…` : text;
  return `<text class="label ${series}" x="${WIDTH - RIGHT + 8}" y="${y.toFixed(1)}" dy="0.35em">${
    escapeHtml(short)
  }</text>`;
}
