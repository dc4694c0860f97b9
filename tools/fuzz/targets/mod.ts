/**
 * Every parser of the product as a fuzz target: what other sites, the aggregator, a hospital's files, a user's
 * configuration or a damaged disk can give it.
 *
 * @module
 */
import type { FuzzTarget } from "../target.ts";

export { removeScratch } from "./scratch.ts";

/** The targets by what they need loaded: a process loads only its own, because every loaded module costs coverage. */
const GROUPS: Readonly<Record<string, () => Promise<readonly FuzzTarget[]>>> = {
  secure_agg: async () => (await import("./secure_agg.ts")).SECURE_AGG_TARGETS,
  formats: async () => (await import("./formats.ts")).FORMAT_TARGETS,
  data: async () => (await import("./data.ts")).DATA_TARGETS,
  importers: async () => (await import("./importers.ts")).IMPORT_TARGETS,
  foundation: async () => (await import("./foundation.ts")).FOUNDATION_TARGETS,
  ledger: async () => (await import("./ledger.ts")).LEDGER_TARGETS,
  federation: async () => (await import("./federation.ts")).FEDERATION_TARGETS,
  http: async () => (await import("./http.ts")).HTTP_TARGETS,
};

/** The targets of one group, or of all. */
export async function targetsOf(group?: string): Promise<readonly FuzzTarget[]> {
  const groups = group === undefined ? Object.values(GROUPS) : [GROUPS[group]];
  return (await Promise.all(groups.map((load) => load()))).flat();
}

/** A target's name, the group that it belongs to, and whether its inputs may be kept. */
export interface ListedTarget {
  readonly group: string;
  readonly name: string;
  readonly foreign: boolean;
}

/** All targets without their parsers. */
export async function listTargets(): Promise<readonly ListedTarget[]> {
  const lists = await Promise.all(
    Object.entries(GROUPS).map(async ([group, load]) =>
      (await load()).map(({ name, foreign = false }) => ({ group, name, foreign }))
    ),
  );
  return lists.flat();
}
