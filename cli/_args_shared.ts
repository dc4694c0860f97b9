/** Options that several verbs share. @module */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { withDefault } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import { choice, integer, type ValueParser } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";

export const json = object({
  json: withDefault(
    flag("--json", {
      description: message`Print one JSON document on stdout; progress and logs go to stderr.`,
    }),
    false,
  ),
});
export const backend = object({
  backend: withDefault(
    option("--backend", choice(["auto", "webgpu", "wasm", "cpu"] as const), {
      description: message`Tensor backend; auto takes a real GPU, otherwise wasm.`,
    }),
    "auto" as const,
  ),
});
export const seed = option("--seed", integer({ min: 0 }), {
  description:
    message`Seed of initialisation, of the order of public data and of synthetic data; never of noise, masks or keys.`,
});
/** Placeholders of paths in help texts. */
type Metavar = "FILE" | "TEXT" | "DIR" | "RUN";
export const file = (metavar: Metavar): ValueParser<"sync", string> => path({ metavar, type: "file" });
export const folder = (metavar: Metavar): ValueParser<"sync", string> => path({ metavar, type: "directory" });
