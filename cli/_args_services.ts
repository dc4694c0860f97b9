/** The two services: everything of their configuration can be set on the command line too. @module */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { multiple, optional, withDefault } from "@optique/core/modifiers";
import { command, constant, flag, option } from "@optique/core/primitives";
import { choice, integer, string } from "@optique/core/valueparser";
import { file, folder, json } from "./_args_shared.ts";

const sources = object({
  config: optional(option("--config", file("FILE"), { description: message`TOML or JSON configuration.` })),
  set: multiple(option("--set", string({ metavar: "PATH=VALUE" }), {
    description:
      message`Set one field, e.g. --set rounds.steps=200; it wins over the environment, which wins over the file.`,
  })),
  printConfig: withDefault(
    flag("--print-config", {
      description: message`Print the merged configuration and where each value comes from, and do not start.`,
    }),
    false,
  ),
  backend: optional(
    option("--backend", choice(["auto", "webgpu", "wasm", "cpu"] as const), {
      description: message`Tensor backend; auto takes a real GPU, otherwise wasm.`,
    }),
  ),
});

export const aggregator = command(
  "aggregator",
  merge(
    object({
      verb: constant("aggregator"),
      port: optional(option("--port", integer({ min: 0, max: 65535 }), {
        description: message`Port; 0 takes a free one.`,
      })),
    }),
    sources,
    json,
  ),
  {
    brief: message`Run the consortium's aggregator service.`,
    description:
      message`Examples: fedkim aggregator --config aggregator.toml; fedkim aggregator --config aggregator.toml --set privacy.epsilon=4 --print-config`,
  },
);

export const client = command(
  "client",
  merge(
    object({
      verb: constant("client"),
      state: optional(option("--state", folder("DIR"), { description: message`State folder of the site.` })),
      data: optional(
        option("--data", folder("DIR"), { description: message`Folder of the site's datasets.` }),
      ),
    }),
    sources,
    json,
  ),
  {
    brief: message`Run a hospital's site worker; it opens no port.`,
    description:
      message`Examples: fedkim client --state site --data /srv/fedkim/data; fedkim client --config site.toml`,
  },
);
