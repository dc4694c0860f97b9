import { readClientConfig, runSite } from "../src/federation/mod.ts";
import { selectBackend } from "../src/tensor/mod.ts";
import type { Options } from "./args.ts";
import { logEvent } from "./log.ts";
import { out } from "./terminal.ts";
import { untilInterrupted } from "./signals.ts";

/** `fedkim client`: a hospital's site worker, from one configuration file. */
export async function client(options: Options<"client">): Promise<void> {
  const config = await readClientConfig(options.config);
  const backend = await selectBackend(options.backend === "auto" ? config.backend : options.backend);
  logEvent({ event: "backend", name: backend.name, device: backend.device });
  let steps = 0;
  await runSite({
    config,
    signal: untilInterrupted(),
    onEvent: (event) => {
      if (event.kind === "finished") steps = event.steps;
      logEvent({ event: event.kind, ...event });
    },
  });
  if (options.json) out.result(JSON.stringify({ steps }));
}
