import { badValue, type SourcePlace } from "../source_errors.ts";
import { timestamp } from "../timestamps.ts";
import { requireConversion } from "../units.ts";
import type { ChannelSpec, TimeSpec } from "./table_mapping.ts";
import type { Cell } from "./table_source.ts";

/** The text of a cell; null where it has no value. */
export function cellText(cell: Cell, missing: ReadonlySet<string>): string | null {
  if (cell === null) return null;
  const text = cell instanceof Date ? cell.toISOString() : String(cell).trim();
  return text === "" || missing.has(text) ? null : text;
}

/** What became of a number. */
export type ReadNumber =
  | { readonly kind: "value"; readonly value: number }
  | { readonly kind: "missing" }
  | { readonly kind: "unreadable" }
  | { readonly kind: "out_of_range" };

/** Reads the numbers of one channel in the dataset's unit. */
export function numberReader(channel: ChannelSpec): (cell: Cell, missing: ReadonlySet<string>) => ReadNumber {
  const { scale, offset, range } = channel;
  const convert = requireConversion(
    channel.sourceUnit ?? channel.unit,
    channel.unit,
    `channel ${channel.name}`,
  );
  return (cell, missing) => {
    // A NaN in a column of numbers is how data frames write a missing value.
    if (typeof cell === "number" && Number.isNaN(cell)) return { kind: "missing" };
    const text = typeof cell === "number" ? null : cellText(cell, missing);
    if (typeof cell !== "number" && text === null) return { kind: "missing" };
    const raw = typeof cell === "number" ? cell : decimal(text ?? "");
    const value = Math.fround(convert(raw * scale + offset));
    if (!Number.isFinite(value)) return { kind: "unreadable" };
    if (range !== undefined && (value < range[0] || value > range[1])) return { kind: "out_of_range" };
    return { kind: "value", value };
  };
}

function decimal(text: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : NaN;
}

const SECONDS: Readonly<Record<Exclude<TimeSpec["unit"], "timestamp">, number>> = {
  day: 86400,
  hour: 3600,
  minute: 60,
  second: 1,
  millisecond: 1e-3,
  microsecond: 1e-6,
  nanosecond: 1e-9,
};

/** Seconds of an offset, or of a timestamp since 1970 (UTC where no zone is stated). */
export function seconds(cell: Cell, unit: TimeSpec["unit"], place: SourcePlace): number {
  if (unit !== "timestamp") {
    const number = typeof cell === "string" ? decimal(cell.trim()) : Number(cell);
    if (cell !== null && !(cell instanceof Date) && Number.isFinite(number)) return number * SECONDS[unit];
    throw badValue(place, "no number", `an offset in the unit ${unit}`);
  }
  const value = cell instanceof Date
    ? cell.getTime()
    : typeof cell === "string"
    ? timestamp(cell.trim())
    : NaN;
  if (Number.isFinite(value)) return value / 1000;
  throw badValue(place, "no date and time", "ISO 8601, for example 2024-05-31T08:15:00Z");
}
