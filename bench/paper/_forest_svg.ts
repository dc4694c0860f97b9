import type { Interval } from "./_paired_bootstrap.ts";

/** One line of the plot. */
export interface ForestRow {
  readonly label: string;
  readonly interval: Interval;
  readonly colour: string;
  /** Leaves a gap above. */
  readonly begins?: boolean;
}

const WIDTH = 760, LEFT = 250, RIGHT = 90, TOP = 54, LINE = 20, GAP = 10;

/** Draws values with their intervals, one below the other, as standalone SVG. */
export function forestSvg(title: string, rows: readonly ForestRow[], reference?: number): string {
  const gaps = rows.filter(({ begins }, index) => begins === true && index > 0).length;
  const height = TOP + rows.length * LINE + gaps * GAP + 34;
  const all = [
    ...rows.flatMap(({ interval }) => [interval.low, interval.high]),
    ...(reference === undefined ? [] : [reference]),
  ];
  const step = 0.05;
  const low = Math.floor(Math.min(...all) / step) * step, high = Math.ceil(Math.max(...all) / step) * step;
  const x = (value: number): number => LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT);
  const bottom = height - 30;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    `<text x="${WIDTH / 2}" y="22" text-anchor="middle" font-size="15">${escape(title)}</text>`,
  ];
  for (let tick = low; tick <= high + 1e-9; tick += step) {
    parts.push(
      line(x(tick), TOP - 12, x(tick), bottom, "#e4e4e4", 1),
      `<text x="${fixed(x(tick))}" y="${bottom + 16}" text-anchor="middle">${tick.toFixed(2)}</text>`,
    );
  }
  if (reference !== undefined) parts.push(line(x(reference), TOP - 12, x(reference), bottom, "#888888", 1.5));
  let y = TOP;
  for (const [index, { label, interval, colour, begins }] of rows.entries()) {
    if (begins === true && index > 0) y += GAP;
    parts.push(
      `<text x="${LEFT - 12}" y="${y + 4}" text-anchor="end">${escape(label)}</text>`,
      line(x(interval.low), y, x(interval.high), y, colour, 2),
      `<circle cx="${fixed(x(interval.value))}" cy="${y}" r="4" fill="${colour}"/>`,
      `<text x="${WIDTH - RIGHT + 12}" y="${y + 4}">${interval.value.toFixed(3)}</text>`,
    );
    y += LINE;
  }
  return [...parts, "</svg>", ""].join("\n");
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string, width: number): string {
  return `<line x1="${fixed(x1)}" y1="${fixed(y1)}" x2="${fixed(x2)}" y2="${
    fixed(y2)
  }" stroke="${colour}" stroke-width="${width}"/>`;
}

function fixed(value: number): string {
  return value.toFixed(1);
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
