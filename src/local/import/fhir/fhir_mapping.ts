import { z } from "zod";
import { type Aggregate, aggregateSchema } from "../accumulator.ts";
import { checkMapping, type SetOptions, setShape, taskShape, type TaskText } from "../set_options.ts";

/** One kind of observation on its way into a channel. */
export interface FhirChannel {
  /** Name of the channel. */
  readonly name: string;
  /** Codes of the observation or of a component of it, for example LOINC 8867-4, or `system|code`. */
  readonly codes: readonly string[];
  /** Unit in the dataset; the source's UCUM unit is converted to it. */
  readonly unit: string;
  /** Factors from other units of the source that a table of units cannot know, for example a molar mass. */
  readonly factors: Readonly<Record<string, number>>;
  /** Smallest and largest possible value, in the dataset's unit. */
  readonly range?: readonly [number, number] | undefined;
  /** Overrides the modality's aggregate. */
  readonly aggregate?: Aggregate | undefined;
}

/** Observations on a regular grid from the begin of the stay on. */
export interface FhirTimeseries {
  /** Discriminator. */
  readonly kind: "timeseries";
  /** Number of steps. */
  readonly steps: number;
  /** Length of a step in seconds. */
  readonly stepSeconds: number;
  /** How several values in a step become one. */
  readonly aggregate: Aggregate;
  /** The channels. */
  readonly channels: readonly FhirChannel[];
}

/** One value per channel and stay. */
export interface FhirVector {
  /** Discriminator. */
  readonly kind: "vector";
  /** Only observations from `from` to before `to` seconds after the begin of the stay. */
  readonly window?: { readonly from: number; readonly to: number } | undefined;
  /** How several values become one. */
  readonly aggregate: Aggregate;
  /** The channels. */
  readonly channels: readonly FhirChannel[];
}

/** A sentence about the stay. */
export interface FhirText {
  /** Discriminator. */
  readonly kind: "text";
  /** With `{age}` in years, `{gender}`, `{class}` and `{reason}`. */
  readonly template: string;
}

/** A modality of a FHIR mapping. */
export type FhirModality = FhirTimeseries | FhirVector | FhirText;

/** Where a binary label comes from. */
export type FhirLabel =
  /** A diagnosis with one of these codes (`E11*` = codes that begin so), of the stay or of the patient. */
  | { readonly kind: "condition"; readonly codes: readonly string[]; readonly scope: "encounter" | "patient" }
  /** The stay ended in one of these ways, for example `exp` (died). */
  | { readonly kind: "discharge"; readonly codes: readonly string[] };

/** A task of a FHIR mapping; its type is binary. */
export interface FhirTask extends TaskText {
  /** Where the label comes from. */
  readonly from: FhirLabel;
}

/** `fedkim-import-fhir/1`: how the stays of FHIR bundles become a dataset. */
export interface FhirMapping extends SetOptions {
  /** Format and version. */
  readonly format: "fedkim-import-fhir/1";
  /** Only stays of these classes, for example IMP; all if empty. */
  readonly encounterClasses: readonly string[];
  /** What happens to a value whose number, unit or range is wrong: an error, or missing and counted. */
  readonly badValues: "refuse" | "missing";
  /** Modalities by name. */
  readonly modalities: Readonly<Record<string, FhirModality>>;
  /** Tasks. */
  readonly tasks: readonly FhirTask[];
}

const codes = z.array(z.string().min(1)).min(1);

const channel: z.ZodType<FhirChannel> = z.strictObject({
  name: z.string().min(1),
  codes,
  unit: z.string(),
  factors: z.record(z.string(), z.number()).default({}),
  range: z.tuple([z.number(), z.number()]).optional(),
  aggregate: aggregateSchema.optional(),
});

const modality: z.ZodType<FhirModality> = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("timeseries"),
    steps: z.number().int().min(1).max(100_000),
    stepSeconds: z.number().positive(),
    aggregate: aggregateSchema.default("mean"),
    channels: z.array(channel).min(1),
  }),
  z.strictObject({
    kind: z.literal("vector"),
    window: z.strictObject({ from: z.number(), to: z.number() }).optional(),
    aggregate: aggregateSchema.default("last"),
    channels: z.array(channel).min(1),
  }),
  z.strictObject({ kind: z.literal("text"), template: z.string().min(1) }),
]);

const mapping: z.ZodType<FhirMapping> = z.strictObject({
  format: z.literal("fedkim-import-fhir/1"),
  ...setShape,
  encounterClasses: z.array(z.string().min(1)).default([]),
  badValues: z.enum(["refuse", "missing"]).default("refuse"),
  modalities: z.record(z.string().min(1), modality),
  tasks: z.array(z.strictObject({
    ...taskShape,
    from: z.discriminatedUnion("kind", [
      z.strictObject({
        kind: z.literal("condition"),
        codes,
        scope: z.enum(["encounter", "patient"]).default("encounter"),
      }),
      z.strictObject({ kind: z.literal("discharge"), codes }),
    ]),
  })).default([]),
});

/**
 * Checks a mapping of FHIR bundles.
 *
 * @param value the parsed JSON or TOML
 * @throws FedKimError `ConfigError` naming every wrong field
 */
export function parseFhirMapping(value: unknown): FhirMapping {
  return checkMapping(mapping, value, "FHIR import mapping");
}
