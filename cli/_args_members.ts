/** Verbs about members: who takes part, as what, and what a site allows. @module */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { multiple, optional, withDefault } from "@optique/core/modifiers";
import { command, constant, flag, option } from "@optique/core/primitives";
import { choice, float, integer, string } from "@optique/core/valueparser";
import { connection, file, folder, json } from "./_args_shared.ts";

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
    connection,
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
      shareLedger: withDefault(
        flag("--share-ledger", {
          description:
            message`Tell operators and auditors first what this site's ledger says (budgets, what is spent, nothing of records).`,
        }),
        false,
      ),
    }),
    connection,
    json,
  ),
  {
    brief: message`Print a one-time link to the aggregator's dashboard.`,
    description:
      message`Examples: fedkim dashboard --state operator; fedkim dashboard --state site --share-ledger`,
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
      delta: optional(
        option("--delta", float({ min: 0, max: 1 }), {
          description: message`Probability that the epsilon does not cover (default 1e-5).`,
        }),
      ),
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
      evaluationEpsilon: optional(option("--evaluation-epsilon", float({ min: 0 }), {
        description:
          message`Allow evaluations on held-out patients, up to this epsilon of any of them; without it none is allowed.`,
      })),
      evaluationMinimum: optional(option("--evaluation-minimum", integer({ min: 1 }), {
        description: message`Smallest noisy count of a group whose evaluation may be reported (default 20).`,
      })),
    }),
    json,
  ),
  {
    brief: message`Write and sign a site's policy, or show it.`,
    description: message`Example: fedkim policy --state site --epsilon 8 --delta 1e-5 --minimum-sites 3`,
  },
);

export const withdraw = command(
  "withdraw",
  merge(
    object({
      verb: constant("withdraw"),
      state: option("--state", folder("DIR"), { description: message`State folder of the site.` }),
      patient: multiple(option("--patient", string({ metavar: "ID" }), {
        description: message`Identifier of a patient who has withdrawn; may be repeated.`,
      })),
      list: optional(option("--list", file("FILE"), {
        description:
          message`Text file with one identifier a line, which keeps them out of the shell's history.`,
      })),
      data: optional(option("--data", folder("DIR"), {
        description: message`Folder of the site's datasets: refuse identifiers that do not occur there.`,
      })),
    }),
    json,
  ),
  {
    brief: message`Write down that patients have withdrawn: no later step uses their records.`,
    description: message`Example: fedkim withdraw --state site --list withdrawn.txt --data /srv/fedkim/data`,
  },
);
