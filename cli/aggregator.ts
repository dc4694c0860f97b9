import { readAggregatorConfig, serveAggregator } from "../src/federation/mod.ts";
import { selectBackend } from "../src/tensor/mod.ts";
import type { Options } from "./args.ts";
import { logEvent } from "./log.ts";
import { out, ProgressLine } from "./terminal.ts";
import { STAGES } from "./stages.ts";
import { untilInterrupted } from "./signals.ts";

/** `fedkim aggregator`: the consortium's service, from one configuration file. */
export async function aggregator(options: Options<"aggregator">): Promise<void> {
  const read = await readAggregatorConfig(options.config);
  const config = options.port === undefined
    ? read
    : { ...read, listen: { ...read.listen, port: options.port } };
  const backend = await selectBackend(options.backend === "auto" ? config.backend : options.backend);
  logEvent({ event: "backend", name: backend.name, device: backend.device });
  const line = new ProgressLine(STAGES);
  const result = await serveAggregator({
    config,
    signal: untilInterrupted(),
    onListen: (url) => logEvent({ event: "listening", url }),
    onProgress: (progress) =>
      Deno.stderr.isTerminal() ? line.update(progress) : logEvent({ event: "progress", ...progress }),
  });
  line.end();
  const { steps, seconds, run } = result;
  const summary = `Finished: ${steps} steps in ${seconds.toFixed(0)} s; results in ${run}`;
  out.result(options.json ? JSON.stringify(result) : summary);
}
