import assert from "node:assert/strict";
import { routingHeatMap, type RoutingReport, routingTable } from "../../src/m3oe/mod.ts";
import { trainToy, withToyBase } from "./_toy.ts";

const REPORT: RoutingReport = {
  tasks: [
    { task: "shock", modalityDescription: "vitals | labs", weights: [0.75, 0.25], entropy: 0.562 },
    { task: "a < b & c", modalityDescription: "image", weights: [0.1, 0.9], entropy: 0.325 },
  ],
  expertLoad: [0.425, 0.575],
  maxEntropy: Math.log(2),
};

Deno.test("the routing table has a row per task, a load per expert and escapes what would break it", () => {
  const lines = routingTable(REPORT).split("\n");
  assert.equal(lines[0], "| task | modalities | expert 1 | expert 2 | entropy |");
  assert.equal(lines[2], "| shock | vitals \\| labs | 75.0 % | 25.0 % | 0.562 |");
  assert.equal(lines[4], "| mean load |  | 42.5 % | 57.5 % |  |");
  const columns = (line: string): number => line.split(/(?<!\\)\|/).length;
  assert.equal(new Set(lines.slice(0, 5).map(columns)).size, 1);
});

Deno.test("the heat map is well formed, has title and description, and carries every number as text", () => {
  const svg = routingHeatMap(REPORT, "Gate <weights>");
  assert.match(svg, /role="img" aria-labelledby="routing-title routing-description"/);
  assert.match(svg, /<title id="routing-title">Gate &lt;weights&gt;<\/title>/);
  assert.match(
    svg,
    /<desc id="routing-description">shock: most weight on expert 1 \(0\.75\); a &lt; b &amp; c/,
  );
  for (const value of ["0.75", "0.25", "0.10", "0.90", "0.42", "0.57"]) {
    assert.ok(svg.includes(`>${value}</text>`), value);
  }
  assert.doesNotMatch(svg, /<script|<style|style=|href|NaN|undefined/);
  const open: string[] = [];
  for (const [, close, name, self] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (self === "/") continue;
    if (close === "") open.push(name);
    else assert.equal(open.pop(), name);
  }
  assert.deepEqual(open, []);
});

Deno.test("in the heat map the text of every cell stands out by at least 4.5 to 1", () => {
  const luminance = (r: number, g: number, b: number): number => {
    const [x, y, z] = [r, g, b].map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const weights = Array.from({ length: 41 }, (_, i) => i / 40);
  const svg = routingHeatMap({
    tasks: [{ ...REPORT.tasks[0], weights }],
    expertLoad: weights,
    maxEntropy: 4,
  });
  const cells = [...svg.matchAll(/fill="rgb\((\d+),(\d+),(\d+)\)".*?fill="#(\w\w)(\w\w)(\w\w)">/g)];
  assert.equal(cells.length, 82);
  for (const [, ...numbers] of cells) {
    const cell = luminance(...numbers.slice(0, 3).map(Number) as [number, number, number]);
    const text = luminance(...numbers.slice(3).map((hex) => parseInt(hex, 16)) as [number, number, number]);
    const contrast = (Math.max(cell, text) + 0.05) / (Math.min(cell, text) + 0.05);
    assert.ok(contrast >= 4.5, `${numbers}: ${contrast}`);
  }
});

Deno.test("the routing of a trained model is plain JSON with weights that sum to 1 for every known task", async () => {
  await withToyBase(async (base) => {
    const { model } = await trainToy(base, { epochs: 1 });
    const report = await model.routing();
    assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
    assert.deepEqual(report.tasks.map(({ task }) => task), model.tasks.map(({ name }) => name));
    for (const { weights } of report.tasks) {
      assert.ok(Math.abs(weights.reduce((sum, value) => sum + value, 0) - 1) < 1e-5);
    }
    model.dispose();
  });
});
