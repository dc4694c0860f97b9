import type { OnProgress } from "../src/formats/progress.ts";
import { injectRun, openRun } from "../src/federation/mod.ts";
import { selectBackend } from "../src/tensor/mod.ts";
import type { Options } from "./args.ts";
import { STAGES } from "./stages.ts";
import { out, ProgressLine } from "./terminal.ts";

/** `fedkim inject`: M3OE injection from a finished run's encoders on a public set. */
export async function inject(options: Options<"inject">): Promise<void> {
  await selectBackend(options.backend);
  const line = new ProgressLine(STAGES);
  const onProgress: OnProgress = (event) => line.update(event);
  const run = await openRun(options.run, "inject", onProgress);
  const { trainable, table } = await injectRun(run, options.data, onProgress);
  line.end();
  out.result(
    options.json ? JSON.stringify({ trainable }) : `Injected.\n${table}`,
  );
}
