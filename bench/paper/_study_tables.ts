import { fileURLToPath } from "node:url";
import { header, row } from "./_page_tables.ts";
import type { StudyResult } from "./_tune.ts";

/** What the studies on public folds found, as far as they have been run. */
export async function studyTables(): Promise<string[]> {
  const path = fileURLToPath(new URL("../results/paper_tune.json", import.meta.url));
  const studies: StudyResult[] = await Deno.readTextFile(path).then(JSON.parse).catch(() => []);
  if (studies.length === 0) return [];
  return [
    "## What was chosen, and on what",
    "",
    "Folds of the public patients (`deno task bench paper --tune`, which has no permission to read the test part):",
    "AUROC over pairs of records of the same held-out fold, one run a fold. Agreement is the correlation of a score with",
    "the local head's logit on held-out records, the mean over tasks and folds.",
    "",
    ...studies.flatMap(({ question, model, folds, rows }) => {
      const tasks = [...new Set(rows.flatMap((found) => Object.keys(found.tasks)))];
      const left = [...new Set(rows.flatMap((found) => Object.keys(found.leftOut?.tasks ?? {})))];
      const close = rows.some(({ agreement }) => agreement !== undefined);
      return [
        `### ${question}`,
        "",
        `${folds} folds, language model ${model}.`,
        "",
        ...header([
          ...["variant", ...tasks, "mean"],
          ...left.map((task) => `${task}, left out`),
          ...(left.length === 0 ? [] : ["mean, left out"]),
          ...(close ? ["agreement"] : []),
        ], 1),
        ...rows.map((found) =>
          row([
            found.variant,
            ...tasks.map((task) => digits(found.tasks[task])),
            bold(found.mean),
            ...left.map((task) => digits(found.leftOut?.tasks[task])),
            ...(left.length === 0 ? [] : [bold(found.leftOut?.mean)]),
            ...(close ? [digits(found.agreement)] : []),
          ])
        ),
        "",
      ];
    }),
  ];
}

function digits(value: number | undefined): string {
  return value?.toFixed(3) ?? "";
}

function bold(value: number | undefined): string {
  return value === undefined ? "" : `**${value.toFixed(3)}**`;
}
