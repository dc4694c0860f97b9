import assert from "node:assert/strict";
import { linesRun, testsFor } from "../../tools/mutation/coverage.ts";
import { equivalentOf, readEquivalents } from "../../tools/mutation/equivalents.ts";
import { listMutants, mutated, sampleOf } from "../../tools/mutation/sites.ts";
import { wilson } from "../../tools/mutation/statistics.ts";
import { reportOf } from "../../tools/mutation/summary.ts";
import { likeliestFirst, type Verdict } from "../../tools/mutation/verdict.ts";

const SOURCE = `/** text: 1 < 2 */
type Small = 3 | 4;
export function f(a: number, log: (text: string) => void): void {
  if (a < 3 && !g(a)) throw new RangeError(\`\${a + 1} is 5\`);
  log("a" + a);
  const list = [a - 1, true, 0.5];
  if (list.length !== 3) return;
  log(\`\${list.length * 2}\`);
}
const g = (a: number): boolean => a === 7 ? false : a >= 9;
const MANY = 10_000;
`;

async function mutantsOf(text: string) {
  const root = await Deno.makeTempDir();
  await Deno.mkdir(`${root}/src`);
  await Deno.writeTextFile(`${root}/src/a.ts`, text);
  const mutants = await listMutants(root, ["src"]);
  await Deno.remove(root, { recursive: true });
  return mutants;
}

Deno.test("listMutants() finds guards, operators, constants and calls, and nothing in types, comments and messages", async () => {
  const mutants = await mutantsOf(SOURCE);
  const found = mutants.map(({ line, operator, found }) => `${line} ${operator} ${found}`);
  for (
    const wanted of [
      "3 returns at once ",
      "4 guard removed a < 3 && !g(a)",
      "4 condition negated a < 3 && !g(a)",
      "4 < to <= <",
      "4 && to || &&",
      "4 ! dropped !g(a)",
      "4 constant + 1 3",
      "4 constant - 1 3",
      '5 call dropped log("a" + a);',
      "6 - to + -",
      "6 boolean flipped true",
      "6 constant doubled 0.5",
      "7 !== to === !==",
      "7 guard removed list.length !== 3",
      "8 call dropped log(`${list.length * 2}`);",
      "10 === to !== ===",
      "10 >= to > >=",
      "10 condition negated a === 7",
      "11 constant - 1 10_000",
    ]
  ) assert.ok(found.includes(wanted), `${wanted} in\n${found.join("\n")}`);
  assert.ok(!found.some((text) => text.startsWith("2 ") || text.startsWith("1 ")));
  assert.ok(!found.some((text) => text === "4 + to - +" || text === "5 + to - +" || text === "8 * to / *"));
  assert.equal(new Set(mutants.map(({ id }) => id)).size, mutants.length);
  for (const mutant of mutants) {
    const text = mutated(SOURCE, mutant);
    assert.notEqual(text, SOURCE);
    assert.equal(text.length - SOURCE.length, mutant.replacement.length - mutant.found.length);
  }
});

Deno.test("a sample is a function of seed and population, and a verdict's id of the source", async () => {
  const mutants = await mutantsOf(SOURCE);
  const ids = (seed: number) => sampleOf(mutants, 5, seed).map(({ id }) => id);
  assert.deepEqual(ids(1), ids(1));
  assert.notDeepEqual(ids(1), ids(2));
  const changed = await mutantsOf(SOURCE.replace("7", "8"));
  const known = new Set(mutants.map(({ id }) => id));
  assert.ok(changed.every(({ id }) => !known.has(id)));
});

Deno.test("coverage picks the tests that run a line, cheapest first as measured", () => {
  const lcov =
    "SF:/r/src/dp/a.ts\nDA:1,3\nDA:2,0\nend_of_record\nSF:file:///r/src/dp/b.ts\nDA:9,1\nend_of_record\n";
  const lines = linesRun(lcov, "/r");
  assert.deepEqual(lines, { "src/dp/a.ts": [1], "src/dp/b.ts": [9] });
  const coverage = [{ test: "tests/dp/x_test.ts", seconds: 1, lines }, {
    test: "tests/dp/y_test.ts",
    seconds: 2,
    lines: {},
  }];
  assert.deepEqual(testsFor(coverage, "src/dp/a.ts", 1).map(({ test }) => test), ["tests/dp/x_test.ts"]);
  assert.equal(
    testsFor(coverage, "src/dp/a.ts", 2).length,
    1,
    "a guard that never fires: the line above stands in",
  );
  assert.deepEqual(testsFor(coverage, "src/dp/a.ts", 40), []);
  assert.equal(testsFor(coverage, "src/dp/worker.ts", 2).length, 2, "no coverage knows a worker's file");
});

Deno.test("the tests that killed mutants of the file come first, then those that run the line, then the cheapest", async () => {
  const [mutant] = await mutantsOf(SOURCE);
  const test = (name: string, seconds: number, runs: boolean) => ({
    test: name,
    seconds,
    lines: { [mutant.path]: runs ? [mutant.line] : [] },
  });
  const tests = [
    test("far", 1, false),
    test("near", 3, true),
    test("nearer", 2, true),
    test("killer", 9, false),
  ];
  const killed = { ...mutant, verdict: "killed", by: "killer" } as Verdict;
  const elsewhere = { ...killed, path: "src/b.ts", by: "far" } as Verdict;
  const order = (known: Verdict[]) => likeliestFirst(tests, mutant, known).map((one) => one.test);
  assert.deepEqual(order([killed, elsewhere]), ["killer", "nearer", "near", "far"]);
  assert.deepEqual(order([]), ["nearer", "near", "far", "killer"]);
});

Deno.test("an equivalent is found by its line's text, counted apart, and contradicted by a test that kills it", async () => {
  const mutants = await mutantsOf(SOURCE);
  const of = (line: number, operator: string) =>
    mutants.find((m) => m.line === line && m.operator === operator)!;
  const entry = {
    path: "src/a.ts",
    text: "const list = [a - 1, true, 0.5];",
    operator: "- to +",
    found: "-",
    reason: "r",
  };
  const found = (mutant = of(6, "- to +"), change: object = {}) =>
    equivalentOf([{ ...entry, ...change }], mutant, SOURCE);
  assert.equal(found()?.reason, "r");
  assert.equal(found(undefined, { place: 1 })?.reason, "r");
  for (
    const change of [{ place: 2 }, { path: "src/b.ts" }, { text: "const list" }, { operator: "+ to -" }, {
      found: "+",
    }]
  ) {
    assert.equal(found(undefined, change), undefined);
  }
  assert.equal(found(of(6, "boolean flipped")), undefined);
  const verdict = (id: string, killed: boolean) =>
    ({
      ...of(6, "- to +"),
      id,
      verdict: killed ? "killed" : "survived",
      how: killed ? "red" : "green",
    }) as Verdict;
  const verdicts = [verdict("a", true), verdict("b", false), verdict("c", false)];
  const { killed, judged, equivalent, scoreWithout, survivors } = reportOf(
    verdicts,
    9,
    1,
    new Map([["b", "r"]]),
  );
  assert.deepEqual([killed, judged, equivalent, scoreWithout], [1, 3, 1, 0.5]);
  assert.deepEqual(survivors.map(({ reason }) => reason), ["r", undefined]);
  assert.throws(() => reportOf(verdicts, 9, 1, new Map([["a", "r"]])), /no equivalent/);
  const apart = reportOf(verdicts, 9, 1, new Map([["b", "r"], ["c", "s"]]), new Set(["c"]));
  assert.deepEqual([apart.equivalent, apart.work, apart.scoreWithout, apart.scoreOfResults], [1, 1, 0.5, 1]);
});

Deno.test("every entry of the list of equivalents has its line and a proof", async () => {
  for (const { path, text, operator, found, reason } of await readEquivalents()) {
    const lines = (await Deno.readTextFile(new URL(`../../${path}`, import.meta.url))).split("\n");
    assert.ok(lines.some((line) => line.trim() === text), `${path} has no line ${text}`);
    assert.ok(text.includes(found) && operator !== "" && reason.length > 40 && reason.endsWith("."), text);
  }
});

Deno.test("wilson() is the published interval", () => {
  // Brown, Cai and DasGupta 2001: 95 % for 0 of 10 ends at 0.2775, for 5 of 10 it is 0.2366 to 0.7634.
  assert.ok(Math.abs(wilson(0, 10)[1] - 0.2775) < 1e-4);
  assert.ok(Math.abs(wilson(5, 10)[0] - 0.2366) < 1e-4 && Math.abs(wilson(5, 10)[1] - 0.7634) < 1e-4);
  assert.deepEqual(wilson(0, 0), [0, 1]);
});
