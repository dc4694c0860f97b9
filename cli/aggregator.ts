import { serveAggregator } from "../src/federation/mod.ts";
import { selectBackend } from "../src/tensor/mod.ts";
import { layeredAggregatorConfig } from "./_config_layers.ts";
import { printConfig } from "./_config_print.ts";
import { serviceEnvironment } from "./_environment.ts";
import type { Options } from "./args.ts";
import { logEvent } from "./log.ts";
import { out, ProgressLine } from "./terminal.ts";
import { STAGES } from "./stages.ts";
import { untilInterrupted } from "./signals.ts";

/** `fedkim aggregator`: the consortium's service, configured by file, environment and flags. */
export async function aggregator(options: Options<"aggregator">): Promise<void> {
  const layered = await layeredAggregatorConfig({
    file: options.config,
    environment: serviceEnvironment("aggregator"),
    set: options.set,
    flags: [
      { path: "listen.port", flag: "--port", value: options.port },
      { path: "backend", flag: "--backend", value: options.backend },
    ],
  });
  if (options.printConfig) return printConfig(layered, options.json);
  const { config } = layered;
  const backend = await selectBackend(config.backend);
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
