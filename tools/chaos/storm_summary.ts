import type { StormOutcome } from "../../tests/chaos/_storm.ts";
import type { Topology } from "../../tests/chaos/_storm_schedule.ts";

/** What one federation has lived through. */
export interface Life {
  /** Its seed, from which all that happened to it follows. */
  readonly seed: number;
  readonly topology: Topology;
  /** How long the storm raged, minutes. */
  readonly minutes: number;
  readonly outcome: StormOutcome;
}

/** The lives as a Markdown table, with their totals. */
export function stormTable(lives: readonly Life[]): string {
  const columns = [
    ["min", ({ minutes }) => minutes],
    ["kills", ({ outcome }) => outcome.events.kill ?? 0],
    ["partitions", ({ outcome }) => outcome.events.partition ?? 0],
    ["full disks", ({ outcome }) => outcome.events.full_disk ?? 0],
    ["own ends", ({ outcome }) => outcome.restarts],
    ["plans finished", ({ outcome }) => outcome.finished],
    ["failed", ({ outcome }) => outcome.failed],
    ["exact sums", ({ outcome }) => outcome.summed],
    ["steps aborted", ({ outcome }) => outcome.aborted],
    ["messages", ({ outcome }) => outcome.messages],
    ["charges", ({ outcome }) => outcome.charges],
    ["torn", ({ outcome }) => outcome.torn],
    ["checks", ({ outcome }) => outcome.checks],
  ] as const satisfies readonly (readonly [string, (life: Life) => number])[];
  const row = (name: string, own: readonly Life[]) => {
    const totals = columns.map(([, of]) => own.reduce((sum, life) => sum + of(life), 0));
    return `| ${[name, ...totals.map((total) => Number(total.toFixed(1)))].join(" | ")} |`;
  };
  return [
    `| seed, store | ${columns.map(([name]) => name).join(" | ")} |`,
    `|---|${columns.map(() => "--:|").join("")}`,
    ...lives.map((life) => row(`${life.seed}, ${life.topology}`, [life])),
    row("**all**", lives),
    "",
  ].join("\n");
}
