import { selectBackend } from "../../src/tensor/mod.ts";
import { federate } from "./_federate.ts";
import { judge } from "./_judge.ts";
import type { JobResult } from "./_outcome.ts";
import type { Study } from "./_studies.ts";
import { makeStart } from "./_start.ts";
import { answerJobs } from "./_worker_side.ts";
import { openWorld, type World } from "./_world.ts";

/** One fold of one study. */
export interface TuneJob {
  readonly study: Study;
  readonly fold: number;
  readonly folder: string;
  readonly foundationModel: string;
}

let world: Promise<World> | undefined;

/** Trains without the fold's public patients and judges on them; labels of unseen tasks stay unread. */
async function runJob({ study, fold, folder, foundationModel }: TuneJob): Promise<JobResult> {
  const begun = performance.now();
  world ??= selectBackend("wasm").then(() => openWorld(folder, foundationModel));
  const { setting, leftOut, proximal } = study;
  const without = leftOut?.[fold] ?? study.without;
  const seed = fold + 1;
  const start = await makeStart(await world, { seed, fold, ...(without === undefined ? {} : { without }) });
  const wanted = ({ name, role }: { name: string; role: string }): boolean =>
    without === undefined || leftOut !== undefined ? role === "train" || name === without : name === without;
  const found: JobResult[] = [];
  for (const mu of proximal ?? [undefined]) {
    const weights = await federate(start, setting, seed, mu);
    const run = { setting, methods: study.variants, seed };
    const judged = await judge(start, weights, { part: start.validation, wanted }, run);
    const cells = judged.cells.map((cell) => mu === undefined ? cell : { ...cell, method: `mu = ${mu}` });
    found.push({ ...judged, cells, seconds: 0 });
  }
  const cells = found.flatMap((result) => result.cells);
  return { ...found[0], cells, seconds: (performance.now() - begun) / 1000 };
}

answerJobs(runJob);
