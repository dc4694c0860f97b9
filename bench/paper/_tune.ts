import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { EMBEDDED_MODEL_FOLDER } from "../../src/foundation/mod.ts";
import type { PaperOptions } from "./_options.ts";
import type { JobResult } from "./_outcome.ts";
import { runMissing } from "./_kept_jobs.ts";
import { LOCAL_HEADS } from "./_settings.ts";
import { STUDIES, type Study } from "./_studies.ts";
import type { TuneJob } from "./_tune_worker.ts";
import { agreement, withinFolds } from "./_within_folds.ts";
import { federationFolder } from "./_world.ts";

const FOLDS = [0, 1, 2, 3, 4];
/** The tasks that a mean is taken over; questions on images stay at chance and would only add noise. */
const FIVE = ["cxr_pneumonia", "ecg_pvc", "icu_mortality", "icu_ventilation", "icu_shock"];

/** What a study found: mean AUROC within folds of every variant. */
export interface StudyResult {
  readonly name: string;
  readonly question: string;
  /** Language model that was injected into. */
  readonly model: string;
  /** Folds that were run. */
  readonly folds: number;
  readonly rows: readonly {
    readonly variant: string;
    readonly mean: number;
    readonly tasks: Readonly<Record<string, number>>;
    /** The same for the tasks that were left out, see `Study.leftOut`. */
    readonly leftOut?: { readonly mean: number; readonly tasks: Readonly<Record<string, number>> };
    /** Mean correlation with the local heads' logits. */
    readonly agreement?: number;
  }[];
}

/** Runs the studies on five public folds by patient. The test part is not opened: see `mod.ts`. */
export async function tune({ workers, only, keep }: PaperOptions): Promise<void> {
  const folder = federationFolder();
  const studies = STUDIES.filter(({ name }) => only === undefined || only.includes(name));
  const output = fileURLToPath(new URL("../results/paper_tune.json", import.meta.url));
  for (const study of studies) {
    const folds = study.leftOut === undefined ? FOLDS : [...study.leftOut.keys()];
    const jobs: TuneJob[] = folds.map((fold) => ({
      study,
      fold,
      folder,
      foundationModel: EMBEDDED_MODEL_FOLDER,
    }));
    const results = await runMissing<TuneJob, JobResult>(jobs, {
      worker: new URL("./_tune_worker.ts", import.meta.url),
      size: workers,
      nameOf: (job) => JSON.stringify(job),
      keep,
      onDone: (job, { seconds }, done, missing) => {
        console.error(`${study.name}: fold ${job.fold} in ${seconds.toFixed(0)} s (${done} of ${missing})`);
      },
    });
    const result = summarise(study, results);
    for (const { variant, mean, tasks } of result.rows) {
      const each = Object.entries(tasks).map(([task, value]) => `${task} ${value.toFixed(3)}`).join("  ");
      console.log(`${study.name}: ${variant.padEnd(26)} ${mean.toFixed(4)}  ${each}`);
    }
    await store(output, result);
  }
}

/** Mean AUROC within folds of every variant. */
export function summarise(
  { name, question, without, leftOut }: Study,
  results: readonly JobResult[],
): StudyResult {
  const variants = [...new Set(results.flatMap(({ cells }) => cells.map(({ method }) => method)))];
  const tasks = without === undefined ? FIVE : [without];
  const rows = variants.map((variant) => {
    const judged = (names: readonly string[], role?: "train" | "unseen"): Record<string, number> =>
      Object.fromEntries(
        names.map((task) => [task, withinFolds(results, variant, task, role)] as const)
          .filter((entry): entry is [string, number] => entry[1] !== undefined),
      );
    const values = judged(tasks, leftOut === undefined ? undefined : "train");
    const unseen = judged([...new Set(leftOut)], "unseen");
    const close = variant === LOCAL_HEADS ? undefined : agreement(results, variant, FIVE);
    return {
      variant,
      mean: meanOf(values),
      tasks: values,
      ...(Object.keys(unseen).length === 0 ? {} : { leftOut: { mean: meanOf(unseen), tasks: unseen } }),
      ...(close === undefined ? {} : { agreement: close }),
    };
  }).filter((row) => Object.keys(row.tasks).length > 0);
  return { name, question, model: basename(EMBEDDED_MODEL_FOLDER), folds: results.length, rows };
}

function meanOf(values: Readonly<Record<string, number>>): number {
  const found = Object.values(values);
  return found.reduce((sum, value) => sum + value, 0) / Math.max(1, found.length);
}

/** Replaces one study's result in the file of all studies. */
async function store(path: string, result: StudyResult): Promise<void> {
  const old: StudyResult[] = await Deno.readTextFile(path).then(JSON.parse).catch(() => []);
  const all = [...old.filter(({ name }) => name !== result.name), result];
  await Deno.writeTextFile(path, JSON.stringify(all, null, 1) + "\n");
}
