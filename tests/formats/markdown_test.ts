import assert from "node:assert/strict";
import fc from "fast-check";
import { markdownTable, markdownText } from "../../src/formats/markdown.ts";
import { renderModelCard } from "../../src/federation/mod.ts";

const HOSTILE = "a|b\n# c\r\u2028<img src=//x>![d](//y)`e`\\|&lt;*f*\u001b[31m";

/** Cells of a row as GitHub reads them: a backslash escapes the character after it. */
function cellsOf(line: string): string[] {
  const cells = [...line.matchAll(/((?:\\.|[^\\|])*)\|/gs)].map(([, cell]) => cell);
  return cells.slice(1);
}

/** What a reader sees of a text. */
function shown(text: string): string {
  return text.replace(/\\([\\|`[\]*])/g, "$1").replaceAll("&lt;", "<").replaceAll("&amp;", "&");
}

Deno.test("a cell shows its text on one line, whatever it holds, and is neither tag nor link nor picture", () => {
  const anything = fc.oneof(fc.string({ unit: "binary" }), fc.constant(HOSTILE), fc.string());
  fc.assert(fc.property(fc.array(fc.tuple(anything, anything), { minLength: 1, maxLength: 3 }), (rows) => {
    const lines = markdownTable(["left", "right"], rows);
    assert.equal(lines.length, rows.length + 2);
    for (const line of lines) {
      assert.equal(cellsOf(line).length, 2, line);
      assert.doesNotMatch(line, /[\p{Cc}\p{Zl}\p{Zp}]|<|(?<!\\)[[`*]/u);
    }
    for (const [text] of rows) assert.equal(shown(markdownText(text)), text.replace(/[\s\p{Cc}]+/gu, " "));
  }));
});

Deno.test("numbers stand at the right where that is said", () => {
  assert.deepEqual(markdownTable(["a", "b"], [["x", "1"]], [1]), [
    "| a | b |",
    "| --- | ---: |",
    "| x | 1 |",
  ]);
});

Deno.test("a model card keeps its tables whatever sets, tasks, groups and sites of others are called", () => {
  const group = {
    dimension: "sex",
    level: HOSTILE,
    suppressed: true,
    reason: "below_minimum_count",
  } as const;
  const lines = renderModelCard({
    ...{ format: "fedkim-model-card/1", federation: HOSTILE, planHash: "ab", version: "1" },
    ...{ foundationModel: HOSTILE, limits: [] },
    data: { sites: [HOSTILE], sets: { [HOSTILE]: [HOSTILE] } },
    privacy: [{ set: HOSTILE, unit: "patient", epsilon: 1, delta: 1e-5 }],
    crossSite: {
      ...{ sites: 3, minimumCount: 20 },
      privacy: [{ population: HOSTILE, unit: "patient", epsilon: 1, delta: 1e-5 }],
      tasks: { [HOSTILE]: { calibrated: true, noise: 1, groups: [group] } },
    },
  }).split("\n");
  assert.equal(lines.filter((line) => line.startsWith("# ")).length, 1);
  for (const line of lines) assert.doesNotMatch(line, /<|!\[|[\p{Cc}\p{Zl}]/u);
  const row = lines.find((line) => line.endsWith("|") && line.includes("too few"))!;
  assert.equal(cellsOf(row).length, 8);
});
