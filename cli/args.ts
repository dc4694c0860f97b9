/**
 * The whole command line in one place (docs/adr/0001): verbs, options, help texts and completion. Nothing else imports
 * the argument parser.
 * @module
 */
import { merge, object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { multiple, optional, withDefault } from "@optique/core/modifiers";
import { type InferValue, suggestSync } from "@optique/core/parser";
import { argument, command, constant, flag, option } from "@optique/core/primitives";
import { choice, float, integer, string } from "@optique/core/valueparser";
import { run } from "@optique/run";
import { path } from "@optique/run/valueparser";
import { ERROR_EXIT_STATUS } from "../src/formats/errors.ts";
import { VERSION } from "../src/formats/version.ts";
import { dashboard, enroll, policy, withdraw } from "./_args_members.ts";
import { aggregator, client } from "./_args_services.ts";
import { out } from "./terminal.ts";
import { explainUnexpected, plainText } from "./_unexpected.ts";
import { backend, file, folder, json, seed } from "./_args_shared.ts";

const demo = command(
  "demo",
  merge(
    object({
      verb: constant("demo"),
      data: optional(option("--data", folder("DIR"), {
        description:
          message`A fedkim-federation/1 folder; without it a synthetic federation is made and used.`,
      })),
      out: optional(
        option("--out", folder("DIR"), { description: message`Folder of the run (default runs/<time>).` }),
      ),
      steps: optional(option("--steps", integer({ min: 1 }), { description: message`Aggregation steps.` })),
      epsilon: withDefault(
        option("--epsilon", float({ min: 0.01 }), { description: message`Budget of every privacy unit.` }),
        8,
      ),
      delta: withDefault(
        option("--delta", float({ min: 1e-12, max: 0.5 }), {
          description: message`Probability that the epsilon does not cover.`,
        }),
        1e-5,
      ),
      epochs: optional(
        option("--epochs", integer({ min: 1 }), { description: message`Epochs of the M3OE injection.` }),
      ),
      port: withDefault(
        option("--port", integer({ min: 0, max: 65535 }), {
          description: message`Port; 0 takes a free one.`,
        }),
        0,
      ),
      task: optional(option("--task", string({ metavar: "NAME" }), {
        description: message`Train and evaluate this task only.`,
      })),
      seed: withDefault(seed, 1),
    }),
    json,
    backend,
  ),
  {
    brief: message`Run the main job on this machine: an aggregator and four sites over HTTP.`,
    description: message`Example: fedkim demo --data ../shared/data/federated`,
  },
);

const privacyReport = command(
  "privacy-report",
  merge(
    object({
      verb: constant("privacy-report"),
      source: optional(argument(path({ metavar: "LEDGER_OR_RUN" }), {
        description: message`A ledger file or a run folder; may be left out with --audit.`,
      })),
      html: optional(option("--html", file("FILE"), { description: message`Write a self-contained page.` })),
      markdown: optional(option("--markdown", file("FILE"), { description: message`Write Markdown.` })),
      forecast: withDefault(
        flag("--forecast", { description: message`Print the rounds that are left.` }),
        false,
      ),
      audit: withDefault(
        flag("--audit", {
          description:
            message`Audit this build: canary records on the real training and aggregation path, under a plan and ledger of the audit's own.`,
        }),
        false,
      ),
      data: optional(option("--data", folder("DIR"), {
        description:
          message`With --audit: a site's data folder to train on beside the canaries; synthetic records without it.`,
      })),
      auditLedger: optional(option("--audit-ledger", file("FILE"), {
        description: message`With --audit: keep the audit-only ledger here.`,
      })),
      seed: withDefault(seed, 1),
    }),
    json,
    backend,
  ),
  {
    brief: message`Print the privacy budget report, or audit this build.`,
    description:
      message`Examples: fedkim privacy-report runs/latest --html report.html; fedkim privacy-report --audit`,
  },
);

const dataset = command(
  "dataset",
  or(
    command(
      "import",
      merge(
        object({
          verb: constant("dataset import"),
          mapping: option("--mapping", file("FILE"), {
            description: message`TOML or JSON file that says which columns, files or codes become what.`,
          }),
          out: option("--out", folder("DIR"), { description: message`Folder to write; must not exist.` }),
          source: optional(option("--source", folder("DIR"), {
            description: message`Folder of the files to import (default: the mapping's folder).`,
          })),
          pseudonymKey: optional(option("--pseudonym-key", file("FILE"), {
            description: message`Secret bytes (at least 16) that turn patient identifiers into pseudonyms.`,
          })),
        }),
        json,
      ),
      {
        description:
          message`Convert CSV, Parquet, WFDB, DICOM, PNG, JPEG or FHIR files. Example: fedkim dataset import --mapping icu.toml --out site/icu`,
      },
    ),
    command(
      "synthesize",
      merge(
        object({
          verb: constant("dataset synthesize"),
          dir: argument(folder("DIR"), { description: message`Folder to write.` }),
          seed: withDefault(seed, 1),
        }),
        json,
      ),
      { description: message`Write a synthetic federation. Example: fedkim dataset synthesize demo-data` },
    ),
    command(
      "inspect",
      merge(object({ verb: constant("dataset inspect"), dir: argument(folder("DIR")) }), json),
      {
        description:
          message`Check and describe a dataset or federation folder. Example: fedkim dataset inspect demo-data`,
      },
    ),
  ),
  { brief: message`Make or check fedkim-dataset/1 folders.` },
);

const foundation = command(
  "foundation",
  or(
    command(
      "inspect",
      merge(object({ verb: constant("foundation inspect"), dir: argument(folder("DIR")) }), json, backend),
      { description: message`Describe a checkpoint. Example: fedkim foundation inspect models/medlm-tiny` },
    ),
    command(
      "generate",
      merge(
        object({
          verb: constant("foundation generate"),
          dir: argument(folder("DIR")),
          prompt: argument(string({ metavar: "PROMPT" })),
          tokens: withDefault(
            option("--tokens", integer({ min: 1, max: 512 }), { description: message`Tokens, at most.` }),
            32,
          ),
          temperature: optional(
            option("--temperature", float(), { description: message`Draw tokens; 1 as trained.` }),
          ),
          topK: optional(
            option("--top-k", integer(), { description: message`Draw from the likeliest tokens only.` }),
          ),
          topP: optional(
            option("--top-p", float(), { description: message`Draw from this share of probability.` }),
          ),
          seed: withDefault(seed, 1),
          stop: multiple(
            option("--stop", string({ metavar: "TEXT" }), { description: message`End before this text.` }),
          ),
          template: optional(
            option("--template", choice(["plain", "embedded", "fedkim", "chatml", "mistral"] as const), {
              description: message`Form of the prompt (default: the model's own).`,
            }),
          ),
        }),
        json,
        backend,
      ),
      {
        description:
          message`Continue a prompt. Example: fedkim foundation generate models/medlm-tiny "what is anemia"`,
      },
    ),
    command(
      "pretrain",
      merge(
        object({
          verb: constant("foundation pretrain"),
          text: argument(file("TEXT"), {
            description: message`JSON lines with question and answer, gzip allowed.`,
          }),
          dir: argument(folder("DIR"), { description: message`Checkpoint folder to write.` }),
          steps: optional(option("--steps", integer({ min: 1 }), { description: message`Optimizer steps.` })),
          seed: withDefault(seed, 1),
        }),
        json,
        backend,
      ),
      {
        description:
          message`Train the small embedded decoder. Example: fedkim foundation pretrain medquad.jsonl.gz models/mine`,
      },
    ),
  ),
  { brief: message`Look at, talk to or train a decoder checkpoint.` },
);

const runAndData = object({
  run: option("--run", folder("RUN"), { description: message`Folder of a finished run.` }),
  data: option("--data", folder("DIR"), {
    description: message`Part of a federation: a folder of dataset folders.`,
  }),
});

const inject = command("inject", merge(object({ verb: constant("inject") }), runAndData, json, backend), {
  brief: message`Inject a finished run's encoders into the decoder with M3OE.`,
  description: message`Example: fedkim inject --run runs/latest --data public`,
});

const evaluate = command(
  "evaluate",
  merge(
    object({
      verb: constant("evaluate"),
      task: optional(
        option("--task", string({ metavar: "NAME" }), { description: message`This task only.` }),
      ),
    }),
    runAndData,
    json,
    backend,
  ),
  {
    brief: message`Metrics of a run on any dataset folder.`,
    description: message`Example: fedkim evaluate --run runs/latest --data test --json`,
  },
);

const predict = command(
  "predict",
  merge(
    object({
      verb: constant("predict"),
      task: option("--task", string({ metavar: "NAME" }), {
        description: message`Trained or unseen task to answer.`,
      }),
      out: optional(option("--out", file("FILE"), {
        description: message`Write .csv or .json here, and the model card beside it; stdout without it.`,
      })),
    }),
    runAndData,
    json,
    backend,
  ),
  {
    brief: message`Calibrated scores of a finished run for your own records, with a model card.`,
    description:
      message`Example: fedkim predict --run runs/latest --data site --task icu_shock --out shock.csv`,
  },
);

const verify = command(
  "verify",
  or(
    command(
      "accounting",
      merge(object({ verb: constant("verify accounting"), file: argument(file("FILE")) }), json),
      {
        description:
          message`Recompute a privacy-accounting file. Example: fedkim verify accounting golden.json --json`,
      },
    ),
    command(
      "decoder",
      merge(object({ verb: constant("verify decoder"), dir: argument(folder("DIR")) }), json, backend),
      {
        description:
          message`Compare a checkpoint with its expected values. Example: fedkim verify decoder vectors/llama`,
      },
    ),
    command(
      "m3oe",
      merge(object({ verb: constant("verify m3oe"), file: argument(file("FILE")) }), json, backend),
      {
        description:
          message`Compare gate and experts with a reference. Example: fedkim verify m3oe m3oe.safetensors`,
      },
    ),
    command(
      "audit",
      merge(
        object({
          verb: constant("verify audit"),
          state: argument(folder("DIR"), { description: message`State folder of the aggregator.` }),
          store: optional(option("--store", string({ metavar: "PLACE" }), {
            description: message`The aggregator's store where it is not in its state folder: postgres://…`,
          })),
        }),
        json,
      ),
      { description: message`Recompute the chain of the audit log. Example: fedkim verify audit aggregator` },
    ),
  ),
  { brief: message`Recompute a reference file with this build.` },
);

const simulate = command(
  "simulate",
  merge(
    object({
      verb: constant("simulate"),
      sites: withDefault(
        option("--sites", integer({ min: 3, max: 10_000 }), { description: message`Sites.` }),
        100,
      ),
      dimension: withDefault(
        option("--dim", integer({ min: 1 }), { description: message`Coordinates of a vector.` }),
        10_000,
      ),
      drop: withDefault(
        option("--drop", integer({ min: 0 }), {
          description: message`Sites that disappear in every round after they shared their keys.`,
        }),
        0,
      ),
      rounds: withDefault(
        option("--rounds", integer({ min: 1 }), { description: message`Rounds, one after the other.` }),
        1,
      ),
      profile: withDefault(
        option("--profile", choice(["strict", "default", "curious"] as const), {
          description: message`Security profile of the protocol; curious is for laboratories.`,
        }),
        "strict" as const,
      ),
      byzantine: withDefault(
        option("--byzantine", integer({ min: 0 }), {
          description:
            message`Sites that lie, in turn: with shares, with the length of their vector, with their commitment.`,
        }),
        0,
      ),
      seed: withDefault(
        option("--seed", integer({ min: 0 }), { description: message`Picks the sites that drop out.` }),
        1,
      ),
    }),
    json,
  ),
  {
    brief: message`Run secure aggregation with many sites in this process and check the sum.`,
    description:
      message`Example: fedkim simulate --sites 1000 --dim 10000 --drop 20 --rounds 2 --byzantine 2`,
  },
);

const doctor = command(
  "doctor",
  merge(
    object({
      verb: constant("doctor"),
      config: optional(
        option("--config", file("FILE"), { description: message`Site configuration to check too.` }),
      ),
    }),
    json,
    backend,
  ),
  {
    brief: message`Say what is wrong with this machine or site and what to do.`,
    description: message`Example: fedkim doctor`,
  },
);

const parser = or(
  or(demo, aggregator, client, enroll, policy, withdraw, dashboard),
  or(
    privacyReport,
    dataset,
    foundation,
    inject,
    evaluate,
  ),
  or(predict, verify, simulate, doctor),
);

/** What the user asked for: one shape per verb, told apart by `verb`. */
export type Command = InferValue<typeof parser>;

/** The options of one verb. */
export type Options<V extends Command["verb"]> = Extract<Command, { readonly verb: V }>;

/** What arguments come to: a verb to run, or a text (help, version, completion, a usage error) and an exit status. */
export type Parsed =
  | { readonly command: Command }
  | { readonly status: number; readonly stdout: string; readonly stderr: string };

/** Parses the arguments and has no effect. Lines are as wide as `width`, or as the terminal. */
export function readArguments(args: readonly string[], width?: number): Parsed {
  const written = { stdout: "", stderr: "" };
  if (args.length === 0) return { status: ERROR_EXIT_STATUS.ConfigError, stdout: "", stderr: NO_VERB };
  try {
    const command = run(parser, {
      programName: "fedkim",
      args,
      brief: message`Secure federation of medical encoders with privacy accounting.`,
      help: "both",
      version: { value: VERSION, option: true },
      completion: "both",
      showDefault: true,
      showChoices: true,
      errorExitCode: ERROR_EXIT_STATUS.ConfigError,
      aboveError: "none",
      ...(width === undefined ? {} : { maxWidth: width }),
      stdout: (text) => void (written.stdout += `${text}\n`),
      stderr: (text) => void (written.stderr += `${text}\n`),
      onExit: (status) => {
        throw new Exit(status);
      },
    });
    return { command };
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    return {
      status: error.status,
      stdout: withShortUsage(written.stdout),
      stderr: explainUnexpected(written.stderr, args, legalWords),
    };
  }
}

const NO_VERB =
  "Error: fedkim needs a verb. `fedkim demo` runs everything once on this machine; `fedkim --help` " +
  "lists all verbs.\n";

/** The help of the whole program begins with the list of its verbs, not with every option of each. */
function withShortUsage(help: string): string {
  const whole = /^(.*\n)[^\n]*Usage:[\s\S]*?--completion [\s\S]*?\n\n/.exec(help);
  if (whole === null) return help;
  return `${whole[1]}Usage: fedkim VERB [OPTION...]; what a verb takes: fedkim VERB --help\n\n` +
    help.slice(whole[0].length);
}

class Exit extends Error {
  constructor(readonly status: number) {
    super();
  }
}

/** The words that may follow some arguments: verbs, or options where `prefix` begins with a dash. */
export function legalWords(before: readonly string[], prefix: string): string[] {
  const [first, ...rest] = [...before, prefix];
  return suggestSync(parser, [first, ...rest]).flatMap((item) => item.kind === "literal" ? [item.text] : []);
}

/** Parses the arguments; prints help, version, completion or a usage error and leaves the process on its own. */
export function parseArguments(args: readonly string[]): Command {
  const parsed = readArguments(args);
  if ("command" in parsed) return parsed.command;
  out.error(parsed.stderr);
  const message = plainText(parsed.stderr).replace(/^Error: /, "");
  if (parsed.status === 0 || !args.includes("--json")) out.text(parsed.stdout);
  else out.result(JSON.stringify({ error: { code: "ConfigError", message } }));
  Deno.exit(parsed.status);
}
