/** A plot of AUROC against epsilon. */
export interface CurvesPlot {
  readonly title: string;
  readonly curves: readonly Curve[];
  /** Horizontal lines to compare with. */
  readonly levels: readonly { readonly name: string; readonly value: number; readonly colour: string }[];
}

interface Curve {
  readonly name: string;
  readonly colour: string;
  /** Epsilon, and one value per run; Infinity is drawn one step right of the last finite epsilon. */
  readonly points: readonly { readonly at: number; readonly values: readonly number[] }[];
}

const WIDTH = 720, HEIGHT = 400;
const LEFT = 60, RIGHT = 20, TOP = 40, BOTTOM = 110;

/** Draws mean lines with a bar from the lowest to the highest run, and a legend below, as standalone SVG. */
export function curvesSvg({ title, curves, levels }: CurvesPlot): string {
  const stops = [...new Set(curves.flatMap(({ points }) => points.map(({ at }) => at)))].sort((a, b) =>
    a - b
  );
  const all = [
    ...curves.flatMap(({ points }) => points.flatMap(({ values }) => values)),
    ...levels.map(({ value }) => value),
  ];
  const low = Math.floor(Math.min(...all) * 20) / 20, high = Math.ceil(Math.max(...all) * 20) / 20;
  const x = (at: number): number =>
    LEFT + 30 + stops.indexOf(at) * (WIDTH - LEFT - RIGHT - 60) / Math.max(1, stops.length - 1);
  const y = (value: number): number => TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${WIDTH / 2}" y="22" text-anchor="middle" font-size="15">${title}</text>`,
  ];
  for (let tick = low; tick <= high + 1e-9; tick += 0.05) {
    parts.push(
      line(LEFT, y(tick), WIDTH - RIGHT, y(tick), "#e4e4e4", 1),
      `<text x="${LEFT - 8}" y="${n(y(tick) + 4)}" text-anchor="end">${tick.toFixed(2)}</text>`,
    );
  }
  for (const stop of stops) {
    const label = stop === Infinity ? "\u221e" : String(stop);
    parts.push(`<text x="${n(x(stop))}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle">${label}</text>`);
  }
  parts.push(`<text x="${WIDTH / 2}" y="${HEIGHT - BOTTOM + 40}" text-anchor="middle">epsilon</text>`);
  const entries: string[] = [];
  for (const { name, value, colour } of levels) {
    parts.push(line(LEFT, y(value), WIDTH - RIGHT, y(value), colour, 1.5, "6 4"));
    entries.push(legend(entries.length, `${name} (${value.toFixed(3)})`, colour, "6 4"));
  }
  for (const { name, colour, points } of curves) {
    const sorted = [...points].sort((a, b) => a.at - b.at);
    const means = sorted.map(({ at, values }) => {
      return { x: x(at), y: y(values.reduce((sum, value) => sum + value / values.length, 0)) };
    });
    const path = means.map((point) => `${n(point.x)},${n(point.y)}`).join(" ");
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    sorted.forEach(({ at, values }, index) => {
      parts.push(line(x(at), y(Math.min(...values)), x(at), y(Math.max(...values)), colour, 2));
      parts.push(`<circle cx="${n(means[index].x)}" cy="${n(means[index].y)}" r="4" fill="${colour}"/>`);
    });
    entries.push(legend(entries.length, name, colour));
  }
  return [...parts, ...entries, "</svg>", ""].join("\n");
}

function n(value: number): string {
  return value.toFixed(1);
}

function line(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  colour: string,
  width: number,
  dash = "",
): string {
  const dashes = dash === "" ? "" : ` stroke-dasharray="${dash}"`;
  return `<line x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}" stroke="${colour}" ` +
    `stroke-width="${width}"${dashes}/>`;
}

function legend(index: number, name: string, colour: string, dash = ""): string {
  const left = LEFT + (index % 2) * 340, top = HEIGHT - 42 + Math.floor(index / 2) * 22;
  return line(left, top, left + 28, top, colour, 2, dash) +
    `<text x="${left + 36}" y="${top + 4}">${name}</text>`;
}
