/**
 * `deno run -A tools/mutation/main.ts`: mutation testing of `src/secure_agg` and `src/dp`. Guards are taken out,
 * comparisons, operators and constants changed, one at a time, in copies of the tree; the tests that run the line must
 * turn red. `--sample N` mutants drawn by `--seed`, for at most `--minutes M`; verdicts go to `--state DIR` as they
 * come, so a run goes on where it was stopped, and `--retry` judges survivors again after a test was written.
 * Mutants that `equivalents.json` shows to change nothing are judged too, by the quick tests: a killed one is no equivalent.
 * Test files that take more than `--slowest S` seconds of CPU are not run, and a mutant that would need them stays open.
 * `--part K/N` judges every N-th mutant from the K-th on, for several processes at once on one `--state`.
 * `--file PART` mutates only files whose path holds the text, `--operator PART` only by operators whose name does.
 * `--json` prints one document, `--list` only the mutants.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { REPOSITORY, sourceFiles } from "../_source_files.ts";
import { measureCoverage, testsFor } from "./coverage.ts";
import { equivalentOf, readEquivalents } from "./equivalents.ts";
import { frozenSource, makeSandboxes, removeSandboxes } from "./sandbox.ts";
import { listMutants, sampleOf } from "./sites.ts";
import { reportOf, textOf } from "./summary.ts";
import { judge, likeliestFirst, type Verdict } from "./verdict.ts";

/** The folders that are mutated. */
const FOLDERS = ["src/secure_agg", "src/dp"];
/** This one reads the source's text and would be red for every mutant of a listed guard. */
const READS_SOURCE = "tests/secure_agg/mutations_test.ts";

/** Seconds of CPU of the slowest test file that may contradict the list of equivalents. */
const ENOUGH_FOR_EQUIVALENTS = 3;

const { values: options } = parseArgs({
  options: {
    sample: { type: "string", default: "300" },
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "600" },
    workers: { type: "string", default: "2" },
    part: { type: "string", default: "0/1" },
    slowest: { type: "string", default: "25" },
    state: { type: "string" },
    file: { type: "string", multiple: true },
    operator: { type: "string", multiple: true },
    retry: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

const shared = Deno.env.get("FEDKIM_SHARED") ?? `${REPOSITORY}/../shared`;
const state = options.state ?? await Deno.makeTempDir({ prefix: "fedkim_verdicts_" });
await Deno.mkdir(state, { recursive: true });
const log = `${state}/verdicts.jsonl`;

const frozen = await frozenSource(REPOSITORY, state);
const holdsOne = (text: string, parts: readonly string[] | undefined): boolean =>
  parts === undefined || parts.some((part) => text.includes(part));
const population = (await listMutants(frozen, FOLDERS)).filter(({ path, operator }) =>
  holdsOne(path, options.file) && holdsOne(operator, options.operator)
);
const sample = sampleOf(population, Number(options.sample), Number(options.seed));
if (options.list) {
  for (const { id, path, line, operator, found } of sample) {
    console.log(`${id} ${path}:${line} ${operator}: ${JSON.stringify(found)}`);
  }
  Deno.exit(0);
}

const equivalents = await readEquivalents();
const reasons = new Map<string, string>();
const workOnly = new Set<string>();
for (const mutant of sample) {
  const found = equivalentOf(equivalents, mutant, await Deno.readTextFile(`${frozen}/${mutant.path}`));
  if (found !== undefined) reasons.set(mutant.id, found.reason);
  if (found?.only === "work") workOnly.add(mutant.id);
}

const known = new Map<string, Verdict>();
for (const row of (await Deno.readTextFile(log).catch(() => "")).split("\n").filter((row) => row !== "")) {
  const verdict = JSON.parse(row) as Verdict;
  known.set(verdict.id, verdict);
}
const [part, parts] = options.part.split("/").map(Number);
const open = sample.filter(({ id }, i) => {
  const verdict = known.get(id)?.verdict;
  return i % parts === part &&
    (verdict === undefined || (options.retry && verdict === "survived" && !reasons.has(id)));
}).sort((a, b) => Number(known.has(a.id)) - Number(known.has(b.id)));
if (open.length > 0) {
  const copies = await makeSandboxes(REPOSITORY, frozen, Number(options.workers));
  try {
    const tests = sourceFiles(copies[0], ["tests/secure_agg", "tests/dp"])
      .map(({ path }) => path).filter((path) => path.endsWith("_test.ts") && path !== READS_SOURCE);
    const coverage = await measureCoverage(copies, tests, shared, state);
    const end = performance.now() + Number(options.minutes) * 60_000;
    let next = 0;
    await Promise.all(copies.map(async (copy) => {
      while (next < open.length && performance.now() < end) {
        const mutant = open[next++];
        const reach = testsFor(coverage, mutant.path, mutant.line);
        const slowest = reasons.has(mutant.id) ? ENOUGH_FOR_EQUIVALENTS : Number(options.slowest);
        const quick = reach.filter(({ seconds }) => seconds <= slowest);
        const verdict = await judge(mutant, likeliestFirst(quick, mutant, known.values()), copy, shared);
        // Not killed by the quick tests is no verdict where slower ones run the line: a run with a larger bound says.
        if (verdict.verdict === "survived" && quick.length < reach.length && !reasons.has(mutant.id)) {
          console.error(
            `open     ${mutant.path}:${mutant.line} ${mutant.operator}: ${JSON.stringify(mutant.found)}`,
          );
          continue;
        }
        known.set(mutant.id, verdict);
        await Deno.writeTextFile(log, JSON.stringify(verdict) + "\n", { append: true });
        const { how, path, line, operator, found, seconds } = verdict;
        console.error(
          `${how.padEnd(8)} ${path}:${line} ${operator}: ${JSON.stringify(found)} (${seconds} s)`,
        );
      }
    }));
  } finally {
    await removeSandboxes(copies);
  }
}
const judged = sample.flatMap(({ id }) => known.get(id) ?? []);
const report = reportOf(judged, population.length, Number(options.seed), reasons, workOnly);
console.log(options.json ? JSON.stringify(report) : textOf(report));
