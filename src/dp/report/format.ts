/** An epsilon for people: rounded up, so that the printed value is still an upper bound. */
export function upper(value: number | null, digits = 2): string {
  if (value === null || !Number.isFinite(value)) return "no bound";
  const scale = 10 ** digits;
  return (Math.ceil(value * scale - 1e-9) / scale).toFixed(digits);
}

/** A lower bound, rounded down. */
export function lower(value: number, digits = 2): string {
  const scale = 10 ** digits;
  return (Math.floor(value * scale + 1e-9) / scale).toFixed(digits);
}

/** A probability with three digits, as a power of ten where it is small. */
export function probability(value: number): string {
  const rounded = Number(value.toPrecision(3));
  return rounded === 0 || rounded >= 0.001 ? String(rounded) : rounded.toExponential().replace("+", "");
}

/** A probability that is an upper bound: three digits, rounded up. */
export function probabilityUpper(value: number): string {
  const rounded = Number(value.toPrecision(3));
  return probability(rounded >= value ? rounded : rounded * 1.01);
}

/** A day and a time of day out of an ISO time stamp. */
export function moment(at: string): string {
  return at.replace("T", " ").replace(/\.\d+Z$/, " UTC");
}

/** A share as a percentage, rounded up. */
export function percent(value: number): string {
  const p = value * 100;
  return p >= 99.95 ? "100 %" : `${(Math.ceil(p * 10) / 10).toFixed(1)} %`;
}

/** "1 step", "2 steps". */
export function count(value: number, noun: string): string {
  return `${value} ${noun}${value === 1 ? "" : "s"}`;
}

/** Plain words for a neighbouring relation. */
export function relation(neighboring: string): string {
  if (neighboring === "replace_one") return "one unit replaced by another";
  return neighboring === "add_or_remove_one"
    ? "one unit added or removed"
    : "one unit replaced by an empty one";
}
