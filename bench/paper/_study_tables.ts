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
    "Five folds of the public patients (`deno task bench paper --tune`, which has no permission to read the test part):",
    "AUROC over pairs of records of the same held-out fold, one run a fold.",
    "",
    ...studies.flatMap(({ question, model, folds, rows }) => {
      const tasks = [...new Set(rows.flatMap((found) => Object.keys(found.tasks)))];
      return [
        `### ${question}`,
        "",
        `${folds} folds, language model ${model}.`,
        "",
        ...header(["variant", ...tasks, "mean"], 1),
        ...rows.map(({ variant, mean, tasks: values }) =>
          row([variant, ...tasks.map((task) => values[task]?.toFixed(3) ?? ""), `**${mean.toFixed(3)}**`])
        ),
        "",
      ];
    }),
  ];
}
