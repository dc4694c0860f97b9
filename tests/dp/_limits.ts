import assert from "node:assert/strict";

/** The next double above, or below for `step` -1. */
export function nextDouble(x: number, step: 1 | -1 = 1): number {
  if (x === 0) return step * Number.MIN_VALUE;
  const bits = new BigInt64Array(Float64Array.of(x).buffer);
  bits[0] += BigInt(step) * (x > 0 ? 1n : -1n);
  return new Float64Array(bits.buffer)[0];
}

/** A number that something reads, and the bounds that are documented for it. */
export interface Limit {
  /** Names it in a failure. */
  readonly name: string;
  /** Reads it; throws where it is refused. */
  readonly read: (value: number) => unknown;
  readonly low: number;
  readonly high: number;
  /** The low bound itself is refused. */
  readonly open?: boolean;
  /** Only integers are read. */
  readonly integer?: boolean;
}

/** Both bounds are read, their neighbours outside are refused with this code, and so is what is no number. */
export function holdsLimit({ name, read, low, high, open, integer }: Limit, code: string): void {
  const refused = (value: unknown) =>
    assert.throws(() => read(value as number), { code }, `${name} = ${value} is read`);
  const below = integer ? low - 1 : nextDouble(low, -1);
  const above = integer ? high + 1 : nextDouble(high);
  if (open) {
    refused(low);
    read(nextDouble(low));
  } else {
    read(low);
    refused(below);
  }
  read(high);
  refused(above);
  if (integer && high > low) refused(low + 0.5);
  for (const value of [NaN, Infinity, -Infinity, undefined, null, `${high}`, true, [high], {}]) {
    refused(value);
  }
}
