import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { EMBEDDED_MODEL_FOLDER } from "../../src/foundation/mod.ts";
import { keptResults, runMissing } from "./_kept_jobs.ts";
import type { PaperOptions } from "./_options.ts";
import type { JobResult } from "./_outcome.ts";
import { writePaperPage } from "./_page.ts";
import { grid, type Job, quickGrid, settingName } from "./_settings.ts";
import { joinResults } from "./_tables.ts";
import { federationFolder } from "./_world.ts";

/** A job of a frozen run, with what the worker needs to know. */
export interface FrozenJob extends Job {
  readonly folder: string;
  readonly foundationModel: string;
  /** SHA-256 of its weights: jobs that were kept count for this model alone. */
  readonly foundationHash: string;
}

/** Runs the frozen grid on all workers and writes the page. */
export async function runFrozen(options: PaperOptions): Promise<void> {
  const folder = federationFolder();
  const begun = performance.now();
  const weights = await Deno.readFile(join(EMBEDDED_MODEL_FOLDER, "model.safetensors"));
  const foundation = {
    foundationModel: EMBEDDED_MODEL_FOLDER,
    foundationHash: createHash("sha256").update(weights).digest("hex"),
  };
  const jobs: FrozenJob[] = (options.quick ? quickGrid() : grid(options.seeds))
    .map((job) => ({ ...job, folder, ...foundation }));
  const kept = { nameOf: nameOfJob, keep: options.keep };
  const outcomes = options.partial
    ? await keptResults<FrozenJob, JobResult>(jobs, kept)
    : await runMissing<FrozenJob, JobResult>(jobs, {
      ...kept,
      worker: new URL("./_frozen_worker.ts", import.meta.url),
      size: options.workers,
      onDone: ({ setting, methods, seed }, { seconds }, done, missing) => {
        const names = methods.map(({ name }) => name).join(", ");
        console.error(
          `${settingName(setting)}, seed ${seed}: ${names} in ${
            seconds.toFixed(0)
          } s (${done} of ${missing})`,
        );
      },
    });
  const results = outcomes.filter((result) => result !== undefined);
  await writePaperPage(joinResults(results), {
    seeds: options.quick ? 1 : options.seeds,
    quick: options.quick,
    seconds: (performance.now() - begun) / 1000,
    missing: jobs.filter((_, index) => outcomes[index] === undefined),
    jobSeconds: results.reduce((sum, { seconds }) => sum + seconds, 0),
    workers: options.workers,
    model: basename(EMBEDDED_MODEL_FOLDER),
    routing: outcomes.find((result, index) => {
      const { backbone, epsilon } = jobs[index].setting;
      return backbone === "distributed" && epsilon === "8" && result?.routing !== undefined;
    })?.routing,
  });
}

/** All that a result depends on; wherever data and model lie, they are the same. */
function nameOfJob({ setting, methods, seed, questions, foundationHash }: FrozenJob): string {
  return JSON.stringify({ setting, methods, seed, questions, foundationHash });
}
