/** Options that several verbs share. @module */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import { choice, integer, string, type ValueParser } from "@optique/core/valueparser";
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

/** How a member reaches its aggregator: the fields of the same names in a site's configuration. */
export const connection = object({
  caFile: optional(option("--ca-file", file("FILE"), {
    description: message`PEM file of a private authority that vouches for the aggregator.`,
  })),
  clientCert: optional(option("--client-cert", file("FILE"), {
    description: message`PEM file of this member's client certificate, where the aggregator asks for one.`,
  })),
  clientKey: optional(
    option("--client-key", file("FILE"), { description: message`PEM file of its private key.` }),
  ),
  proxy: optional(option("--proxy", string({ metavar: "URL" }), {
    description: message`HTTP proxy; user and password may stand in it.`,
  })),
});
