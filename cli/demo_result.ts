import { join } from "node:path";
import type { EvaluationResult, FederationResult } from "../src/federation/mod.ts";
import { table } from "./terminal.ts";

/** The tasks whose mean AUROC is compared with the linear references. */
const COMPARED = ["icu_mortality", "icu_ventilation", "icu_shock", "cxr_pneumonia", "ecg_pvc"] as const;

/** AUROC of plain linear models per task, where the data folder has them. */
export type LinearReferences = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Reads `linear_references.json` of a federation folder; undefined where there is none. */
export async function referenceOf(dir: string): Promise<LinearReferences | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(join(dir, "linear_references.json")));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Results per task, and the mean beside the references. */
export function describeResult(result: FederationResult, references: LinearReferences | undefined): string {
  const lines = [
    "\nInjected foundation model on test/ (trained and unseen tasks)",
    resultTable(result.tasks ?? {}, references),
  ];
  const mean = meanAuroc(result);
  if (mean !== undefined) {
    const linear = COMPARED.map((name) => references?.[name]?.public_only).filter((value) =>
      value !== undefined
    );
    const reference = linear.length < COMPARED.length
      ? ""
      : ` (linear model on public data only: ${meanOf(linear).toFixed(3)})`;
    lines.push(`Mean AUROC over ${COMPARED.join(", ")}: ${mean.toFixed(3)}${reference}`);
  }
  return lines.join("\n");
}

/** Metrics per task as a table; open tasks below it. */
export function resultTable(tasks: EvaluationResult, references?: LinearReferences): string {
  const digits = (
    value: number | null | undefined,
  ) => (value === null || value === undefined ? "–" : value.toFixed(3));
  const rows: string[][] = [];
  const open: string[] = [];
  for (const [name, task] of Object.entries(tasks)) {
    if (task.type === "binary") {
      const { role, n, positives, auroc, f1, accuracy } = task;
      const cells = [name, role, String(n), String(positives), digits(auroc), digits(f1), digits(accuracy)];
      rows.push(references === undefined ? cells : [...cells, digits(references[name]?.public_only)]);
    } else {
      const { role, n, tokenF1, exactMatch } = task;
      open.push(
        `${name} (${role}): ${n} open answers, token F1 ${digits(tokenF1)}, exact ${digits(exactMatch)}`,
      );
    }
  }
  const header = ["task", "role", "n", "positive", "AUROC", "F1", "accuracy"];
  return [table(references === undefined ? header : [...header, "linear, public only"], rows), ...open].join(
    "\n",
  );
}

/** Mean AUROC of the injected model over the compared tasks; undefined where one of them has none. */
export function meanAuroc(result: FederationResult): number | undefined {
  const values = COMPARED.map((name) => {
    const task = result.tasks?.[name];
    return task?.type === "binary" ? task.auroc : null;
  });
  const known = values.filter((value) => value !== null);
  return known.length < COMPARED.length ? undefined : meanOf(known);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
