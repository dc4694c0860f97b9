import { parseArgs } from "node:util";
import { FedKimError } from "../../src/formats/errors.ts";

/** What the caller of `deno task bench paper` asked for. */
export interface PaperOptions {
  /** One seed, one epsilon, one mode. */
  readonly quick: boolean;
  /** Studies on public folds instead of the frozen run. */
  readonly tune: boolean;
  /** The page from kept jobs alone: nothing is run, and the page lists what is missing. */
  readonly partial: boolean;
  /** Names of the studies to run; all by default. */
  readonly only?: readonly string[];
  /** Runs per cell of the grid. */
  readonly seeds: number;
  /** Workers at once. */
  readonly workers: number;
  /** A file of finished jobs: those in it are not run again, new ones are added. Nothing is kept without it. */
  readonly keep?: string;
}

/**
 * Reads the bench's own arguments.
 * @throws FedKimError `ConfigError` for an unknown flag or a number out of range
 */
export function parsePaperOptions(args: readonly string[]): PaperOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      tune: { type: "boolean", default: false },
      partial: { type: "boolean", default: false },
      only: { type: "string" },
      seeds: { type: "string", default: "3" },
      workers: { type: "string", default: String(navigator.hardwareConcurrency) },
      keep: { type: "string" },
    },
  });
  const positive = (name: "seeds" | "workers"): number => {
    const value = Number(values[name]);
    if (Number.isSafeInteger(value) && value > 0) return value;
    throw new FedKimError("ConfigError", `--${name} needs a positive whole number.`, { found: values[name] });
  };
  return {
    quick: values.quick,
    tune: values.tune,
    partial: values.partial,
    ...(values.only === undefined ? {} : { only: values.only.split(",") }),
    seeds: positive("seeds"),
    workers: positive("workers"),
    ...(values.keep === undefined ? {} : { keep: values.keep }),
  };
}
