import type { Outcome } from "../../tests/chaos/_laws.ts";
import type { Scenario } from "../../tests/chaos/_scenarios.ts";

/** What became of one seed. */
export type SeedResult =
  & { readonly seed: number; readonly scenario: Scenario; readonly seconds: number }
  & ({ readonly outcome: Outcome } | { readonly failure: string });

/** The results as a Markdown page. */
export function summary(results: readonly SeedResult[]): string {
  const kinds = [...new Set(results.map(({ scenario }) => scenario.kind))].sort();
  const rows = [...kinds, undefined].map((kind) => {
    const own = results.filter(({ scenario }) => kind === undefined || scenario.kind === kind);
    const outcomes = own.flatMap((result) => "outcome" in result ? [result.outcome] : []);
    const total = (field: keyof Outcome) => outcomes.reduce((sum, outcome) => sum + outcome[field], 0);
    const seconds = own.reduce((sum, result) => sum + result.seconds, 0) / Math.max(1, own.length);
    const cells = [
      kind ?? "**all**",
      own.length,
      own.length - outcomes.length,
      total("deaths"),
      total("summed"),
    ];
    return `| ${[...cells, total("aborted"), seconds.toFixed(0)].join(" | ")} |`;
  });
  const failed = results.flatMap((result) =>
    "failure" in result ? [`- seed ${result.seed}: ${result.failure.split("\n")[0]}`] : []
  );
  return [
    "# Runs that were killed",
    "",
    "`deno run -A tools/chaos/main.ts`: small federations of real processes (four sites, two steps), killed by SIGKILL",
    "at the writes of the aggregator's journal, at a site's writes and requests, and at random, and started again.",
    "Deaths, sums and aborted steps are counted over the runs whose laws held.",
    "",
    "| killed | runs | laws broken | deaths | exact sums | steps aborted | mean s |",
    "|---|--:|--:|--:|--:|--:|--:|",
    ...rows,
    ...(failed.length === 0 ? [] : ["", "Broken:", "", ...failed]),
    "",
  ].join("\n");
}
