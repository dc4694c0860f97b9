/** Verbs about members: who takes part, as what, and what a site allows. @module */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { command, constant, flag, option } from "@optique/core/primitives";
import { choice, float, integer, string } from "@optique/core/valueparser";
import { file, folder, json } from "./_args_shared.ts";

export const enroll = command(
  "enroll",
  merge(
    object({
      verb: constant("enroll"),
      site: optional(
        option("--site", string({ metavar: "NAME" }), { description: message`Site to invite (consortium).` }),
      ),
      state: option("--state", folder("DIR"), {
        description: message`State folder of the aggregator or of the site.`,
      }),
      url: optional(
        option("--url", string({ metavar: "URL" }), {
          description: message`URL that sites will reach (consortium).`,
        }),
      ),
      role: withDefault(
        option("--role", choice(["site", "operator", "auditor"] as const), {
          description: message`What the invited one may do (consortium).`,
        }),
        "site" as const,
      ),
      revoke: optional(option("--revoke", string({ metavar: "NAME" }), {
        description: message`Refuse this member's key from now on (consortium).`,
      })),
      store: optional(option("--store", string({ metavar: "PLACE" }), {
        description:
          message`The aggregator's store where it is not in its state folder: postgres://… (consortium).`,
      })),
      invite: optional(option("--invite", string({ metavar: "TOKEN" }), {
        description: message`Accept this invite (site): makes the identity and pins the aggregator's key.`,
      })),
      rotate: withDefault(
        flag("--rotate", { description: message`Replace this site's key by a new one (site).` }),
        false,
      ),
    }),
    json,
  ),
  {
    brief: message`Invite a site, or accept an invite and pin the identities.`,
    description:
      message`Examples: fedkim enroll --state aggregator --site mercy --url https://fed.example.org; fedkim enroll --state site --invite TOKEN`,
  },
);

export const dashboard = command(
  "dashboard",
  merge(
    object({
      verb: constant("dashboard"),
      state: option("--state", folder("DIR"), {
        description: message`State folder of a site, an operator or an auditor.`,
      }),
    }),
    json,
  ),
  {
    brief: message`Print a one-time link to the aggregator's dashboard.`,
    description: message`Example: fedkim dashboard --state operator`,
  },
);

export const policy = command(
  "policy",
  merge(
    object({
      verb: constant("policy"),
      state: option("--state", folder("DIR"), { description: message`State folder of the site.` }),
      epsilon: optional(
        option("--epsilon", float({ min: 0 }), { description: message`Largest epsilon of any unit.` }),
      ),
      delta: optional(option("--delta", float({ min: 0, max: 1 }))),
      minimumSites: optional(option("--minimum-sites", integer({ min: 3 }), {
        description: message`Smallest cohort whose sum may be revealed.`,
      })),
      peers: optional(option("--peers", file("FILE"), {
        description:
          message`JSON object of site names and public keys that this site may be summed with; without it, whoever the aggregator enrolls.`,
      })),
      tasks: optional(
        option("--tasks", string({ metavar: "A,B" }), { description: message`Allowed tasks, or all.` }),
      ),
    }),
    json,
  ),
  {
    brief: message`Write and sign a site's policy, or show it.`,
    description: message`Example: fedkim policy --state site --epsilon 8 --delta 1e-5 --minimum-sites 3`,
  },
);
