/**
 * What `--json` prints on success, verb by verb: one table for people (`docs/reference/cli.md`) and for tests. A failure
 * is `{"error": {"code", "message"}}` for every verb.
 * @module
 */
import type { Command } from "./args.ts";

/** Kind of a value; `?` for a field that may be absent, `|null` for one that may be null. */
type Kind = "text" | "number" | "flag" | "list" | "object";

/** A field: its kind and what it means. */
export type DocumentField = readonly [kind: `${Kind}${"" | "?" | "|null"}`, meaning: string];

/** One document. */
export interface JsonDocument {
  /** When this one is printed, where a verb has several. */
  readonly when?: string;
  /** Its fields by name; there are no others. */
  readonly fields: Readonly<Record<string, DocumentField>>;
}

const printedConfig: JsonDocument = {
  when: "with --print-config",
  fields: {
    config: ["object", "every field by its path: `value`, and `origin` (default, file, variable, flag)"],
  },
};
const tasks: DocumentField = [
  "object",
  "metrics by task: `type`, `role`, `n`, and `positives`, `auroc`, `aurocInterval`, `f1`, `accuracy`, … or `tokenF1`, `exactMatch`",
];
const recomputed: Readonly<Record<string, DocumentField>> = {
  maxRelativeError: ["object", "for every quantity max|a - b| / max|b| against the file"],
  greedyMatches: ["flag?", "whether the greedy continuation is the same, where there is one to compare"],
  backend: ["text", "the backend that computed"],
};

/** The documents of every verb. */
export const DOCUMENTS: Readonly<Record<Command["verb"], readonly JsonDocument[]>> = {
  demo: [{
    fields: {
      run: ["text", "folder of the run"],
      seconds: ["number", "wall-clock time"],
      privacy: [
        "list",
        "what each set's schedule promises: `unit`, `set`, `tasks`, `view`, `delta`, `epsilon`",
      ],
      tasks,
    },
  }],
  aggregator: [{
    when: "at the end of the federation",
    fields: {
      run: ["text", "folder of the run"],
      planHash: ["text", "hash of the signed plan"],
      steps: ["number", "aggregation steps of the schedule"],
      seconds: ["number", "wall-clock time"],
      trainable: ["object", "trained and frozen weights of the injection"],
      decisions: ["object", "thresholds and calibration by task, from public data"],
      routing: ["object", "gate weights by task"],
      tasks: ["object?", "metrics by task, where there is a test folder"],
      crossSite: [
        "object?",
        "results on the sites' held-out patients with subgroups, where the plan has them evaluated",
      ],
    },
  }, printedConfig],
  client: [{
    when: "at the end of the federation",
    fields: {
      steps: ["number", "steps that this site took part in"],
      ledger: ["text", "file of the site's ledger"],
    },
  }, printedConfig],
  enroll: [{
    when: "inviting",
    fields: {
      site: ["text", "name of the invited member"],
      role: ["text", "site, operator or auditor"],
      invite: ["text", "the token to hand over"],
    },
  }, {
    when: "with --invite",
    fields: {
      site: ["text", "this member's name"],
      url: ["text", "the aggregator's address"],
      publicKey: ["text", "this member's public key"],
      next: ["text", "the next command"],
    },
  }, {
    when: "with --rotate",
    fields: { site: ["text", "this member's name"], publicKey: ["text", "its new public key"] },
  }, { when: "with --revoke", fields: { revoked: ["text", "the member that is refused from now on"] } }],
  policy: [{
    fields: {
      format: ["text", "`fedkim-policy/1`"],
      site: ["text", "the site's name"],
      maxEpsilon: ["number", "largest epsilon of any unit"],
      delta: ["number", "at this delta"],
      neighboring: ["text", "neighbouring relation"],
      minimumSites: ["number", "smallest cohort whose sum may be revealed"],
      colluders: ["number", "colluding sites assumed, at least"],
      peers: ["object", "public keys by name that this site may be summed with, or the text `any`"],
      allowedTasks: ["list", "names of tasks, or the text `all`"],
      evaluation: [
        "object?",
        "what it allows of evaluations on held-out patients: `maxEpsilon`, `minimumCount`",
      ],
    },
  }],
  withdraw: [{
    fields: {
      added: ["number", "patients that were not written down before"],
      total: ["number", "patients that are written down now"],
    },
  }],
  dashboard: [{
    fields: {
      url: ["text", "the one-time link"],
      ledgerEntry: ["number?", "with --share-ledger: the ledger's last entry that was told of"],
    },
  }],
  "privacy-report": [{
    fields: {
      format: ["text", "`fedkim-privacy-report/1`"],
      title: ["text", "heading"],
      generatedAt: ["text", "when, ISO 8601"],
      summary: ["list", "paragraphs for a data-protection officer"],
      plan: ["object?", "the plan that ran, where there is one"],
      views: ["list", "epsilon by set, view and survivors"],
      sites: [
        "list",
        "budgets by site: `site`, `head`, `rows` with `budget`, `spent`, `left`, `roundsLeft`, …",
      ],
      elsewhere: ["list?", "ledgers that the maker of the report has not read"],
      groups: ["list", "people with many units"],
      curves: ["list", "epsilon by round and trade-off curve of each set"],
      audits: ["list", "audits, lower bounds"],
      unaccounted: ["list", "releases that the accounting does not cover"],
      numericSlack: ["number", "largest numeric slack of the bounds, in delta"],
    },
  }],
  "dataset import": [{
    fields: {
      format: ["text", "`fedkim-import-report/1`"],
      source: ["text", "kind of the source"],
      records: ["number", "records written"],
      patients: ["number", "patients among them"],
      warnings: ["list", "findings, most frequent first"],
    },
  }],
  "dataset synthesize": [{
    fields: {
      dir: ["text", "the folder"],
      seed: ["number", "the seed"],
      parts: ["object", "records and patients of every set, by part"],
    },
  }],
  "dataset inspect": [{
    fields: {
      datasets: ["list", "one description a dataset folder: records, patients, tasks, modalities, warnings"],
      between: ["list", "patients and records that several parts share"],
    },
  }],
  "foundation inspect": [{
    fields: {
      folder: ["text", "the checkpoint"],
      config: ["object", "its configuration"],
      parameterCount: ["number", "weights on disk"],
      bytes: ["number", "their bytes on disk"],
      bytesLoaded: ["number", "their bytes in memory as float32"],
      tensors: ["number", "number of tensors"],
      dtypes: ["object", "tensors by element type"],
      files: ["list", "weight files"],
    },
  }],
  "foundation generate": [{
    fields: {
      prompt: ["text", "the prompt in the template's form"],
      text: ["text", "the continuation"],
      template: ["text", "the template"],
      seed: ["number|null", "the seed of the draws; null for the likeliest tokens"],
    },
  }],
  "foundation pretrain": [{
    fields: {
      folder: ["text", "the checkpoint that was written"],
      trainTokens: ["number", "tokens of the training text"],
      heldOutPerplexity: ["number", "perplexity per token on the held-out answers"],
      heldOutTokens: ["number", "tokens of the held-out text"],
    },
  }],
  inject: [{ fields: { trainable: ["object", "trained and frozen weights"] } }],
  evaluate: [{ fields: { tasks } }],
  predict: [{
    when: "without --out",
    fields: {
      task: ["text", "the task"],
      predictions: ["list", "`id`, `score`, `probability` and `answer` of each record"],
      card: ["object", "the model card"],
    },
  }, {
    when: "with --out",
    fields: {
      task: ["text", "the task"],
      records: ["number", "records that were answered"],
      file: ["text", "the scores"],
      card: ["text", "file of the model card"],
    },
  }],
  "verify accounting": [{
    fields: { rows: ["list", "`id` with `value` or `error` of each row, and the verdict"] },
  }],
  "verify decoder": [{ fields: recomputed }],
  "verify m3oe": [{ fields: recomputed }],
  "verify audit": [{
    fields: {
      entries: ["number", "entries that follow from each other"],
      newest: ["text|null", "hash of the newest one"],
    },
  }],
  simulate: [{
    fields: {
      sites: ["number", "sites"],
      dimension: ["number", "length of the vectors"],
      drop: ["number", "sites that drop out"],
      rounds: ["number", "rounds"],
      profile: ["text", "profile of the protocol"],
      byzantine: ["number", "lying sites"],
      exact: ["flag", "whether every sum that was revealed is exact"],
      finished: ["number", "rounds that were not aborted"],
      results: ["list", "each round: outcome, CPU seconds, bytes and memory of both sides"],
      process: ["object", "CPU seconds and memory of this process"],
      note: ["text", "how to read the CPU seconds"],
    },
  }],
  doctor: [{
    fields: {
      checks: ["list", "`name`, `ok`, `detail` and, for a failure, `remedy`"],
      error: ["object?", "`code` and `message`, where a check failed"],
    },
  }],
};

/** How a document differs from all that are documented for its verb; empty where it is one of them. */
export function undocumented(verb: Command["verb"], document: Readonly<Record<string, unknown>>): string[] {
  const faults = DOCUMENTS[verb].map(({ fields }) => faultsOf(fields, document));
  return faults.some((list) => list.length === 0) ? [] : faults.toSorted((a, b) => a.length - b.length)[0];
}

function faultsOf(fields: JsonDocument["fields"], document: Readonly<Record<string, unknown>>): string[] {
  const unknown = Object.keys(document).filter((name) => !(name in fields)).map((name) =>
    `${name} is not documented`
  );
  const wrong = Object.entries(fields).flatMap(([name, [kind]]) => {
    const value = document[name];
    if (value === undefined) return kind.endsWith("?") ? [] : [`${name} is missing`];
    if (value === null) return kind.endsWith("|null") ? [] : [`${name} is null`];
    const meant = kind.replace(/\?$|\|null$/, "");
    const found = kindOf(value);
    // A policy names what it allows, or says "any" or "all".
    return found === meant || ["any", "all"].includes(value as string) ? [] : [`${name} is of kind ${found}`];
  });
  return [...unknown, ...wrong];
}

function kindOf(value: unknown): Kind {
  if (Array.isArray(value)) return "list";
  const kinds = { string: "text", number: "number", boolean: "flag" } as const;
  return kinds[typeof value as keyof typeof kinds] ?? "object";
}
