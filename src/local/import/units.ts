import { FedKimError } from "../../formats/errors.ts";

/** `to = from * scale + offset`. */
interface Linear {
  readonly scale: number;
  readonly offset: number;
}

/** Spellings of one unit, UCUM's (ucum.org) and those of common exports; the first is the name used here. */
const SPELLINGS: readonly (readonly string[])[] = [
  ["degC", "Cel", "C", "°C", "celsius", "deg C"],
  ["degF", "[degF]", "F", "°F", "fahrenheit", "deg F"],
  ["K"],
  ["mmHg", "mm[Hg]", "mm Hg"],
  ["kPa"],
  ["/min", "{beats}/min", "{breaths}/min", "bpm", "beats/minute", "breaths/minute", "1/min"],
  ["Hz", "/s"],
  ["%"],
  ["fraction", "1", "{fraction}"],
  ["kg"],
  ["g"],
  ["lb", "[lb_av]", "lbs"],
  ["cm"],
  ["m"],
  ["in", "[in_i]", "inch"],
  ["mL", "ml", "cc"],
  ["L", "l"],
  ["g/dL", "g/dl"],
  ["g/L", "g/l"],
  ["mg/dL", "mg/dl"],
  ["mg/L", "mg/l"],
  ["ug/dL", "µg/dL", "mcg/dL"],
  ["ug/mL", "µg/mL", "mcg/mL"],
  ["ng/mL", "ng/ml", "ug/L", "µg/L"],
  ["pg/mL", "ng/L"],
  ["mmol/L", "mmol/l", "meq/L", "mEq/L"],
  ["umol/L", "µmol/L", "umol/l"],
  ["U/L", "IU/L", "[IU]/L"],
  ["10*3/uL", "10*9/L", "K/uL", "10^3/uL", "10^9/L", "K/mcL", "x10E3/uL"],
  ["10*6/uL", "10*12/L", "M/uL", "10^6/uL"],
  ["uV", "µV"],
  ["mV"],
  ["V"],
  ["s", "sec"],
  ["ms", "msec"],
  ["year", "a", "years"],
];

/** Exact linear relations to the left unit; the rest follows by inversion. */
const RELATIONS: readonly (readonly [string, string, Linear])[] = [
  ["degF", "degC", { scale: 5 / 9, offset: -160 / 9 }],
  ["K", "degC", { scale: 1, offset: -273.15 }],
  ["kPa", "mmHg", { scale: 7.500615758456564, offset: 0 }],
  ["Hz", "/min", { scale: 60, offset: 0 }],
  ["fraction", "%", { scale: 100, offset: 0 }],
  ["g", "kg", { scale: 0.001, offset: 0 }],
  ["lb", "kg", { scale: 0.45359237, offset: 0 }],
  ["m", "cm", { scale: 100, offset: 0 }],
  ["in", "cm", { scale: 2.54, offset: 0 }],
  ["L", "mL", { scale: 1000, offset: 0 }],
  ["g/L", "g/dL", { scale: 0.1, offset: 0 }],
  ["mg/L", "mg/dL", { scale: 0.1, offset: 0 }],
  ["g/dL", "mg/dL", { scale: 1000, offset: 0 }],
  ["ug/dL", "mg/dL", { scale: 0.001, offset: 0 }],
  ["ug/mL", "mg/dL", { scale: 0.1, offset: 0 }],
  ["ng/mL", "mg/dL", { scale: 1e-4, offset: 0 }],
  ["pg/mL", "mg/dL", { scale: 1e-7, offset: 0 }],
  ["umol/L", "mmol/L", { scale: 0.001, offset: 0 }],
  ["mV", "uV", { scale: 1000, offset: 0 }],
  ["V", "uV", { scale: 1e6, offset: 0 }],
  ["ms", "s", { scale: 0.001, offset: 0 }],
];

const CANONICAL: ReadonlyMap<string, string> = new Map(
  SPELLINGS.flatMap((spellings) => spellings.map((spelling) => [spelling, spellings[0]] as const)),
);

/**
 * A function that turns values of one unit into another. Units of amount and mass are never mixed: that takes the
 * substance's molar mass, which a mapping states as `scale`.
 *
 * @param from unit of the source; the same text as `to` needs no conversion
 * @param to unit of the dataset
 * @returns undefined when the units are not known to be convertible
 */
export function unitConversion(from: string, to: string): ((value: number) => number) | undefined {
  const [a, b] = [from, to].map((unit) => CANONICAL.get(unit.trim()) ?? unit.trim());
  if (a === b) return (value) => value;
  const direct = relation(a, b);
  if (direct !== undefined) return (value) => value * direct.scale + direct.offset;
  for (const [, middle] of RELATIONS) {
    const first = relation(a, middle);
    const second = relation(middle, b);
    if (first !== undefined && second !== undefined) {
      return (value) => (value * first.scale + first.offset) * second.scale + second.offset;
    }
  }
  return undefined;
}

function relation(from: string, to: string): Linear | undefined {
  for (const [a, b, { scale, offset }] of RELATIONS) {
    if (a === from && b === to) return { scale, offset };
    if (b === from && a === to) return { scale: 1 / scale, offset: -offset / scale };
  }
  return undefined;
}

/**
 * As {@link unitConversion}, for units that a mapping states.
 *
 * @param from unit of the source
 * @param to unit of the dataset
 * @param where the channel, for the message
 * @throws FedKimError `ConfigError` when the units are not known to be convertible
 */
export function requireConversion(from: string, to: string, where: string): (value: number) => number {
  const conversion = unitConversion(from, to);
  if (conversion !== undefined) return conversion;
  throw new FedKimError("ConfigError", `The units of ${where} do not fit.`, {
    found: `${from} in the source, ${to} in the dataset`,
    needed: "two units of one quantity",
    remedy: "state scale and offset instead, for example the molar mass in a conversion to mmol/L",
  });
}
