/** The least that each verb may do: what its tests run with, and what the demo grants the processes that it starts. @module */

/** A place that a verb reads or writes; where it lies is the user's choice. */
export type Place =
  | "aggregator state"
  | "site state"
  | "client configuration"
  | "aggregator configuration"
  | "site data"
  | "public data"
  | "run"
  | "model"
  | "output"
  | "input"
  | "packages";

/** The least that a verb needs. */
export interface VerbPermissions {
  /** `aggregator`: the one address of the aggregator, to call it (site) or to listen there (consortium). */
  readonly net: "none" | "aggregator";
  /** Places that it reads. `packages` is Deno's cache, for the WASM files of the tensor backend. */
  readonly read: readonly Place[];
  /** Places that it writes. */
  readonly write: readonly Place[];
  /** Facts about the machine, by the names of Deno's `--allow-sys`. */
  readonly sys: readonly string[];
  /** Whether it starts processes of itself. */
  readonly run: "self" | "none";
}

const NONE: VerbPermissions = { net: "none", read: [], write: [], sys: [], run: "none" };

/**
 * What each verb needs at least, run from source with `--backend wasm` and a SQLite store. Environment variables are
 * needed by none: without the permission settings are taken from files and options alone.
 */
export const VERB_PERMISSIONS: Readonly<Record<string, VerbPermissions>> = {
  "aggregator": {
    ...NONE,
    net: "aggregator",
    read: ["aggregator configuration", "aggregator state", "public data", "run", "model", "packages"],
    write: ["aggregator state", "run"],
  },
  "client": {
    ...NONE,
    net: "aggregator",
    read: ["client configuration", "site data", "site state", "packages"],
    write: ["site state"],
    sys: ["statfs"],
  },
  "enroll --site": { ...NONE, read: ["aggregator state"], write: ["aggregator state"] },
  "enroll --invite": { ...NONE, net: "aggregator", read: ["site state"], write: ["site state"] },
  "policy": { ...NONE, read: ["site state"], write: ["site state"] },
  "withdraw": { ...NONE, read: ["site state"], write: ["site state"] },
  "dashboard": { ...NONE, net: "aggregator", read: ["site state"] },
  "doctor": { ...NONE, read: ["model", "packages"] },
  "privacy-report": { ...NONE, read: ["site state"] },
  "dataset inspect": { ...NONE, read: ["site data"] },
  "dataset import": { ...NONE, read: ["input", "output"], write: ["output"] },
  "dataset synthesize": { ...NONE, read: ["output"], write: ["output"] },
  "foundation inspect": { ...NONE, read: ["model"] },
  "foundation generate": { ...NONE, read: ["model", "packages"] },
  "predict": { ...NONE, read: ["run", "site data", "model", "packages", "output"], write: ["output"] },
  "evaluate": { ...NONE, read: ["run", "public data", "model", "packages"] },
  "inject": { ...NONE, read: ["run", "public data", "model", "packages"], write: ["run"] },
  "verify accounting": { ...NONE, read: ["input"] },
  "verify audit": { ...NONE, read: ["aggregator state"], write: ["aggregator state"] },
  "simulate": NONE,
  "completion": NONE,
  "--version": NONE,
};

/**
 * The options of `deno run` for a verb.
 *
 * @param needed of {@link VERB_PERMISSIONS}
 * @param places where the places lie here
 * @param aggregator its `HOST:PORT`
 * @param without a permission to leave out, to show that it is needed
 */
export function verbFlags(
  { net, read, write, sys }: VerbPermissions,
  places: Readonly<Record<Place, readonly string[]>>,
  aggregator: string,
  without?: "net" | "read" | "write" | "sys",
): string[] {
  const list = (name: string, values: readonly string[]) =>
    values.length === 0 || name === without ? [] : [`--allow-${name}=${listed(values)}`];
  return [
    "--no-prompt",
    ...list("net", net === "none" ? [] : [aggregator]),
    ...list("read", read.flatMap((place) => places[place])),
    ...list("write", write.flatMap((place) => places[place])),
    ...list("sys", sys),
  ];
}

/** Values as one list of an option of Deno's, in which a comma is doubled. */
export function listed(values: readonly string[]): string {
  return values.map((value) => value.replaceAll(",", ",,")).join(",");
}
