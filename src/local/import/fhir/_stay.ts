import type { ModalityValue } from "../../dataset.ts";
import { Accumulator } from "../accumulator.ts";
import type { WarningList } from "../import_report.ts";
import { badValue } from "../source_errors.ts";
import { timestamp } from "../timestamps.ts";
import { unitConversion } from "../units.ts";
import type { FhirChannel, FhirMapping, FhirTimeseries, FhirVector } from "./fhir_mapping.ts";
import type { FhirConcept, FhirObservation, FhirQuantity } from "./fhir_resources.ts";

/** Whether one of a concept's codes is wanted: `code`, `system|code`, or the beginning of a code with `*`. */
export function hasCode(concept: FhirConcept | undefined, wanted: readonly string[]): boolean {
  return (concept?.coding ?? []).some(({ system = "", code = "" }) =>
    wanted.some((pattern) =>
      pattern.endsWith("*")
        ? code.startsWith(pattern.slice(0, -1))
        : pattern === code || pattern === `${system}|${code}`
    )
  );
}

/** When something was measured, in milliseconds since 1970; NaN where it is not said to the day. */
export function timeOf(observation: FhirObservation): number {
  const { effectiveDateTime, effectiveInstant, effectivePeriod } = observation;
  return timestamp(effectiveDateTime ?? effectiveInstant ?? effectivePeriod?.start ?? "");
}

const VALID_STATUS = new Set(["final", "amended", "corrected"]);

/** What a stay's numbers are made of. */
export interface Stay {
  /** The file, for messages. */
  readonly file: string;
  /** Its begin, in milliseconds since 1970. */
  readonly start: number;
  /** Its measurements. */
  readonly observations: readonly FhirObservation[];
}

/** The numbers of one modality of a stay; null when nothing was measured. */
export function collect(
  name: string,
  modality: FhirTimeseries | FhirVector,
  stay: Stay,
  policy: FhirMapping["badValues"],
  warnings: WarningList,
): ModalityValue | null {
  const steps = modality.kind === "timeseries" ? modality.steps : 1;
  const { channels } = modality;
  const values = new Accumulator(steps, channels.map((channel) => channel.aggregate ?? modality.aggregate));
  for (const observation of stay.observations) {
    if (!VALID_STATUS.has(observation.status ?? "")) continue;
    const seconds = (timeOf(observation) - stay.start) / 1000;
    let step = 0;
    if (modality.kind === "timeseries") {
      step = Math.floor(seconds / modality.stepSeconds);
      if (!(step >= 0 && step < steps)) continue;
    } else if (modality.window !== undefined) {
      if (!(seconds >= modality.window.from && seconds < modality.window.to)) continue;
    }
    for (const { code, valueQuantity } of [observation, ...(observation.component ?? [])]) {
      if (valueQuantity === undefined) continue;
      channels.forEach((channel, column) => {
        if (!hasCode(code, channel.codes)) return;
        const got = inUnit(valueQuantity, channel);
        if (got.kind === "value") {
          if (got.assumed) {
            warnings.add("unit_assumed", `${name}.${channel.name}`, "a value without a unit was taken as is");
          }
          values.add(step, column, got.value, Number.isNaN(seconds) ? 0 : seconds);
        } else if (policy === "refuse") {
          throw badValue(
            {
              file: stay.file,
              record: `Observation ${observation.id ?? "without id"}`,
              field: "valueQuantity",
            },
            got.found,
            `a number in ${channel.unit}${
              channel.range === undefined ? "" : ` from ${channel.range.join(" to ")}`
            }`,
            'state a factor for the unit, or set "badValues" to "missing"',
          );
        } else {
          const code = got.kind === "range" ? "value_out_of_range" : "value_unreadable";
          warnings.add(code, `${name}.${channel.name}`, `${got.found}; taken as missing`);
        }
      });
    }
  }
  const data = values.rows(0, steps);
  if (data.every(Number.isNaN)) return null;
  return modality.kind === "timeseries"
    ? { kind: "timeseries", steps, channels: channels.length, data }
    : { kind: "vector", data };
}

type Read =
  | { readonly kind: "value"; readonly value: number; readonly assumed: boolean }
  | { readonly kind: "unreadable" | "range"; readonly found: string };

function inUnit(quantity: FhirQuantity, channel: FhirChannel): Read {
  const { value, comparator } = quantity;
  if (value === undefined || comparator !== undefined) {
    return { kind: "unreadable", found: value === undefined ? "no number" : "a bound instead of a number" };
  }
  const unit = quantity.code ?? quantity.unit;
  const factor = unit === undefined ? undefined : channel.factors[unit];
  const convert = factor !== undefined
    ? (raw: number): number => raw * factor
    : unit === undefined
    ? (raw: number): number => raw
    : unitConversion(unit, channel.unit);
  if (convert === undefined) return { kind: "unreadable", found: `the unit ${unit?.slice(0, 30)}` };
  const converted = Math.fround(convert(value));
  if (!Number.isFinite(converted)) return { kind: "unreadable", found: "no finite number" };
  if (channel.range !== undefined && (converted < channel.range[0] || converted > channel.range[1])) {
    return { kind: "range", found: "a number outside the channel's range" };
  }
  return { kind: "value", value: converted, assumed: unit === undefined };
}
