import type { LocalModelSpec } from "../../local/mod.ts";

/**
 * The sets that carry some yes-or-no tasks, each once.
 * @param spec the local model
 * @param tasks names of tasks
 * @returns undefined where one of them has no yes-or-no head
 */
export function federatedHeadSets(spec: LocalModelSpec, tasks: readonly string[]): string[] | undefined {
  const heads = tasks.map((task) => spec.heads.find((head) => head.task === task && head.type === "binary"));
  const sets = heads.flatMap((head) => head === undefined ? [] : [head.set]);
  return sets.length < tasks.length ? undefined : [...new Set(sets)];
}
