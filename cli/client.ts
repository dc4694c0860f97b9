import { join } from "node:path";
import { runSite, SITE_FILES } from "../src/federation/mod.ts";
import { selectBackend } from "../src/tensor/mod.ts";
import { layeredClientConfig } from "./_config_layers.ts";
import { printConfig } from "./_config_print.ts";
import { serviceEnvironment } from "./_environment.ts";
import { checkSite } from "./_site_checks.ts";
import type { Options } from "./args.ts";
import { logEvent } from "./log.ts";
import { out } from "./terminal.ts";
import { untilInterrupted } from "./signals.ts";

/** `fedkim client`: a hospital's site worker, configured by file, environment and flags. */
export async function client(options: Options<"client">): Promise<void> {
  const layered = await layeredClientConfig({
    file: options.config,
    environment: serviceEnvironment("client"),
    set: options.set,
    flags: [
      { path: "state", flag: "--state", value: options.state },
      { path: "data", flag: "--data", value: options.data },
      { path: "backend", flag: "--backend", value: options.backend },
    ],
  });
  if (options.printConfig) return printConfig(layered, options.json);
  const { config } = layered;
  await checkSite(config);
  const backend = await selectBackend(config.backend);
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
  const ledger = join(config.state, SITE_FILES.ledger);
  out.result(
    options.json
      ? JSON.stringify({ steps, ledger })
      : `Finished: took part in ${steps} steps.\nNext: fedkim privacy-report ${ledger}`,
  );
}
