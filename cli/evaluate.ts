import type { OnProgress } from "../src/formats/progress.ts";
import { evaluateRun, openRun } from "../src/federation/mod.ts";
import { selectBackend } from "../src/tensor/mod.ts";
import type { Options } from "./args.ts";
import { resultTable } from "./demo_result.ts";
import { STAGES } from "./stages.ts";
import { out, ProgressLine } from "./terminal.ts";

/** `fedkim evaluate`: metrics of a finished run on any dataset folder. */
export async function evaluate(options: Options<"evaluate">): Promise<void> {
  await selectBackend(options.backend);
  const line = new ProgressLine(STAGES);
  const onProgress: OnProgress = (event) => line.update(event);
  const run = await openRun(options.run, "answer", onProgress);
  const tasks = await evaluateRun(run, options.data, onProgress, options.task);
  line.end();
  out.result(options.json ? JSON.stringify({ tasks }) : resultTable(tasks));
}
