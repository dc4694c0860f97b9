/**
 * `deno run -A tools/check_size.ts`: files are small and hold one idea. No file is longer than 500 lines, half of the
 * product's files have at most 120, names are snake_case. Prints the longest files.
 *
 * @module
 */
import { posix } from "node:path";
import { report, REPOSITORY, sourceFiles } from "./_source_files.ts";

/** No file is longer. */
const MOST_LINES = 500;
/** The median of the product's files is not above this; the aim is about 100. */
const MEDIAN_LINES = 120;
/** Names such as `ring_vector.ts`, `_private.ts` and `ring_vector_test.ts`. */
const NAME = /^_?[a-z0-9]+(_[a-z0-9]+)*\.ts$/;

/** What the check found. */
export interface SizeReport {
  /** Broken rules. */
  readonly faults: readonly string[];
  /** Median number of lines of the files in `src/` and `cli/`. */
  readonly median: number;
  /** The longest files, longest first. */
  readonly longest: readonly { readonly path: string; readonly lines: number }[];
}

/** Measures the tree at `root`. */
export function checkSize(root: string): SizeReport {
  const files = sourceFiles(root, ["mod.ts", "src", "cli", "tests", "bench", "tools"])
    .map(({ path, text }) => ({ path, lines: text.split("\n").length - (text.endsWith("\n") ? 1 : 0) }));
  const product = files.filter(({ path }) => /^(src|cli)\//.test(path)).map(({ lines }) => lines)
    .toSorted((a, b) => a - b);
  const median = product[Math.floor(product.length / 2)] ?? 0;
  const faults = [
    ...files.filter(({ lines }) => lines > MOST_LINES)
      .map(({ path, lines }) => `${path} has ${lines} lines, at most ${MOST_LINES}: split it by idea`),
    ...files.filter(({ path }) => !NAME.test(posix.basename(path))).map(({ path }) =>
      `${path} is not snake_case`
    ),
    ...(median > MEDIAN_LINES ? [`the median file has ${median} lines, at most ${MEDIAN_LINES}`] : []),
  ];
  return { faults, median, longest: files.toSorted((a, b) => b.lines - a.lines).slice(0, 10) };
}

if (import.meta.main) {
  const { faults, median, longest } = checkSize(REPOSITORY);
  for (const { path, lines } of longest) console.log(`${String(lines).padStart(5)}  ${path}`);
  report("size", faults, `median ${median} lines`);
}
