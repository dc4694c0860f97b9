import type { ImportWarning } from "../import_report.ts";
import type { ChannelInspection, DatasetInspection, TaskInspection } from "./inspection.ts";

const BARS = " ▁▂▃▄▅▆▇█";
const BALANCE_WIDTH = 24;

/**
 * Renders an inspection for a terminal: counts, one line with a small histogram per channel, label balance, warnings.
 *
 * @param inspection what {@link inspectDataset} found
 */
export function formatInspection(inspection: DatasetInspection): string {
  const { name, dir, privacyUnit, records, patients, recordsPerPatient, modalities, tasks, warnings } =
    inspection;
  const lines = [
    `${name} (${dir})`,
    `  ${records} records of ${patients} patients, ${
      recordsPerPatient.join(" / ")
    } per patient (fewest / median / most)`,
    `  privacy unit: ${privacyUnit}`,
  ];
  for (const modality of modalities) {
    const shape = modality.shape === undefined ? "" : `, [${modality.shape.join(", ")}]`;
    lines.push(
      "",
      `  ${modality.name} (${modality.kind}${shape}): ${modality.present} present, ${modality.missing} missing`,
    );
    const width = Math.max(...modality.channels.map((channel) => channel.name.length));
    for (const channel of modality.channels) lines.push(`    ${channelLine(channel, width)}`);
  }
  for (const task of tasks) {
    lines.push(
      "",
      `  ${taskLine(task)}`,
      ...balanceLines(task).map((line) => `    ${line}`),
    );
  }
  lines.push("", ...formatWarnings(warnings).map((line) => `  ${line}`));
  return `${lines.join("\n")}\n`;
}

/**
 * Renders findings for a terminal, one line each.
 *
 * @param warnings findings
 */
export function formatWarnings(warnings: readonly ImportWarning[]): string[] {
  if (warnings.length === 0) return ["no warnings"];
  return warnings.map(({ code, where, message, count }) =>
    `warning ${code}: ${where}: ${message} (${count}x)`
  );
}

function channelLine(channel: ChannelInspection, width: number): string {
  const { name, unit, missing, median, min, max, range, histogram } = channel;
  const start = `${name.padEnd(width)} ${percent(missing)} missing`;
  if (histogram === undefined || range === undefined) return start;
  const peak = Math.max(...histogram);
  const bars = histogram.map((share) => BARS[share === 0 ? 0 : Math.max(1, Math.round(share / peak * 8))])
    .join("");
  return `${start}  ${short(range[0])} |${bars}| ${short(range[1])} ${unit ?? ""}  median ${
    short(median)
  }, ` +
    `${short(min)} to ${short(max)}`;
}

function taskLine({ name, type, role, labelled }: TaskInspection): string {
  return `${name} (${type}, ${role}): ${labelled} labelled`;
}

function balanceLines({ balance, labelled }: TaskInspection): string[] {
  const width = Math.max(0, ...Object.keys(balance).map((name) => name.length));
  return Object.entries(balance).map(([name, count]) => {
    const share = labelled === 0 ? 0 : count / labelled;
    const bar = "█".repeat(Math.round(share * BALANCE_WIDTH)).padEnd(BALANCE_WIDTH, "·");
    return `${name.padEnd(width)} ${bar} ${count} (${percent(share).trim()})`;
  });
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1).padStart(5)} %`;
}

function short(value: number | undefined): string {
  return value === undefined ? "" : String(Number(value.toPrecision(4)));
}
