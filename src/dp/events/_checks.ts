import { FedKimError } from "../../formats/errors.ts";

/** An event that no accountant may interpret: always thrown, never counted as zero. */
export function invalidEvent(found: string, needed: string): FedKimError {
  return new FedKimError("UnsupportedDpEvent", "This privacy event cannot be accounted.", {
    found,
    needed,
    remedy: "correct the event; it is never charged as zero",
  });
}

/** Short, safe name of a value for a message. */
export function describe(value: unknown): string {
  return typeof value === "number" || typeof value === "boolean" ? String(value) : typeof value;
}

/** A finite number with low <= x <= high (or low < x where `open`). */
export function numberField(
  type: string,
  name: string,
  value: unknown,
  low: number,
  high: number,
  open = false,
): number {
  const fine = typeof value === "number" && Number.isFinite(value) && value <= high &&
    (open ? value > low : value >= low);
  if (!fine) {
    throw invalidEvent(
      `${type}.${name} = ${describe(value)}`,
      `a number ${open ? "above" : "of at least"} ${low} and at most ${high}`,
    );
  }
  return value;
}

/** A safe integer with low <= x <= high. */
export function integerField(
  type: string,
  name: string,
  value: unknown,
  low: number,
  high = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < low || value > high) {
    throw invalidEvent(
      `${type}.${name} = ${describe(value)}`,
      `an integer of at least ${low} and at most ${high}`,
    );
  }
  return value;
}

/** A list of at least one element. */
export function listField(type: string, name: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > 1_000_000) {
    throw invalidEvent(`${type}.${name} is ${describe(value)}`, "a list of 1 to 1,000,000 elements");
  }
  return value;
}
