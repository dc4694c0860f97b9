import type { GrowthSeries } from "./_growth.ts";

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Seconds or milliseconds with three digits. */
export function duration(seconds: number): string {
  return seconds >= 1 ? `${seconds.toPrecision(3)} s` : `${(seconds * 1000).toPrecision(3)} ms`;
}

const PANEL = { width: 270, height: 210, left: 52, top: 34, right: 14, bottom: 40 };
const COLOURS = { client: "#1b6ca8", server: "#b5541c" };

function panel(growth: GrowthSeries, x0: number): string {
  const x = (p: GrowthSeries["points"][number]): number =>
    ({ n: p.n, k: p.degree, d: p.dimension, drops: p.drops })[growth.quantity];
  const xs = growth.points.map(x);
  const ys = growth.points.flatMap((p) => [p.client, p.server]);
  const scale = (values: readonly number[], low: number, high: number) => {
    const [a, b] = [Math.log(Math.min(...values)), Math.log(Math.max(...values))];
    return (value: number): number => low + ((Math.log(value) - a) / (b - a || 1)) * (high - low);
  };
  const px = scale(xs, x0 + PANEL.left, x0 + PANEL.width - PANEL.right);
  const py = scale(ys, PANEL.height - PANEL.bottom, PANEL.top);
  const text = (tx: number, ty: number, content: string, extra = ""): string =>
    `<text x="${tx.toFixed(1)}" y="${ty.toFixed(1)}" ${extra}>${content}</text>`;
  const parts = [
    `<rect x="${x0 + PANEL.left}" y="${PANEL.top}" width="${
      PANEL.width - PANEL.left - PANEL.right
    }" height="${PANEL.height - PANEL.top - PANEL.bottom}" fill="none" stroke="#bbb"/>`,
    text(x0 + PANEL.left, 20, `CPU against ${growth.quantity}`, 'font-weight="bold"'),
    ...xs.map((value) => text(px(value), PANEL.height - 24, String(value), 'text-anchor="middle"')),
    ...[Math.min(...ys), Math.max(...ys)].map((value) =>
      text(x0 + PANEL.left - 4, py(value) + 4, duration(value), 'text-anchor="end"')
    ),
  ];
  for (const side of ["client", "server"] as const) {
    const dots = growth.points.map((p) => `${px(x(p)).toFixed(1)},${py(p[side]).toFixed(1)}`);
    parts.push(
      `<polyline points="${dots.join(" ")}" fill="none" stroke="${COLOURS[side]}" stroke-width="1.5"/>`,
    );
    parts.push(
      ...dots.map((dot) =>
        `<circle cx="${dot.split(",")[0]}" cy="${dot.split(",")[1]}" r="3" fill="${COLOURS[side]}"/>`
      ),
    );
  }
  const slopes = `client ^${growth.clientExponent.toFixed(2)}   server ^${growth.serverExponent.toFixed(2)}`;
  parts.push(text(x0 + PANEL.left, PANEL.height - 6, slopes));
  return parts.join("\n");
}

/** All series side by side, both axes logarithmic. */
export function growthPlot(all: readonly GrowthSeries[]): string {
  const width = PANEL.width * all.length;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${
      PANEL.height + 20
    }" font-family="sans-serif" font-size="10">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    ...all.map((growth, i) => panel(growth, i * PANEL.width)),
    `<text x="${PANEL.left}" y="${PANEL.height + 14}" fill="${COLOURS.client}">one client</text>`,
    `<text x="${PANEL.left + 70}" y="${PANEL.height + 14}" fill="${COLOURS.server}">server</text>`,
    `</svg>`,
    "",
  ].join("\n");
}
