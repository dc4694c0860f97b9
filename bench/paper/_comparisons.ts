import type { Interval } from "./_paired_bootstrap.ts";
import { type Epsilon, FEDKIM, type Setting } from "./_settings.ts";
import { difference, type Results } from "./_tables.ts";

const EPSILONS: readonly Epsilon[] = ["2", "8", "infinity"];

/** All federations, in the order of the tables. */
export const FEDERATIONS: readonly Setting[] = (["distributed", "fedavg", "fedprox"] as const)
  .flatMap((backbone) => EPSILONS.map((epsilon) => ({ backbone, epsilon })));

/** The federations that ablations were run on. */
export const ABLATED: readonly Setting[] = FEDERATIONS.filter(({ backbone }) => backbone === "distributed");

/** FedKIM minus other methods on the same encoders. */
export function comparisons(
  results: Results,
  setting: Setting,
  others: readonly string[],
  tasks: readonly string[],
): { readonly against: string; readonly interval: Interval }[] {
  return others.flatMap((against) => {
    const interval = difference(
      results,
      { setting, method: FEDKIM.name },
      { setting, method: against },
      tasks,
    );
    return interval === undefined ? [] : [{ against, interval }];
  });
}
