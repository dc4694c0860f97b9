import type { Permissions } from "./permissions.ts";

/** A program that is delivered as one file. */
export interface Recipe {
  /** File name. */
  readonly name: string;
  /** One sentence for people. */
  readonly purpose: string;
  /** Its main module, from the root of the repository. */
  readonly entry: string;
  /** What it may do. */
  readonly permissions: Permissions;
}

/** Settings of the terminal that the argument parser asks for. */
const TERMINAL = ["COLUMNS", "FORCE_COLOR", "NO_COLOR", "NODE_DISABLE_COLORS"];
/** What the tensor backends ask for: where Mesa may keep its sockets. */
const GRAPHICS = ["TMPDIR", "XDG_RUNTIME_DIR"];
/** Where a PostgreSQL store is, as every PostgreSQL client asks for it. */
const DATABASE = ["PG*"];
/** Our own variables. */
const OWN = ["FEDKIM_*"];

const BASE: Permissions = {
  net: "all",
  read: "all",
  write: "all",
  env: [...TERMINAL, ...GRAPHICS, ...OWN],
  // The name of the private folder that stands in for XDG_RUNTIME_DIR; how large a model may be on a shared memory;
  // room on the disk of a site.
  sys: ["uid", "systemMemoryInfo", "statfs"],
  run: "none",
};

/** Every program that `deno task compile` makes. */
export const RECIPES: readonly Recipe[] = [
  {
    name: "fedkim",
    purpose: "every verb, for people",
    entry: "tools/compile/entries/fedkim.ts",
    // `fedkim demo` starts an aggregator and four sites as processes of itself.
    permissions: { ...BASE, env: [...BASE.env, ...DATABASE], run: "self" },
  },
  {
    name: "fedkim-client",
    purpose: "the site's service and a site's verbs",
    entry: "tools/compile/entries/fedkim_client.ts",
    permissions: BASE,
  },
  {
    name: "fedkim-aggregator",
    purpose: "the consortium's service and a consortium's verbs",
    entry: "tools/compile/entries/fedkim_aggregator.ts",
    permissions: { ...BASE, env: [...BASE.env, ...DATABASE] },
  },
];
