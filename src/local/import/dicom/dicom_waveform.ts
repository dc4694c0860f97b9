import { badFile, badValue } from "../source_errors.ts";
import { unitConversion } from "../units.ts";
import type { Recording } from "../signal_window.ts";
import type { DicomItem, DicomObject } from "./dicom_object.ts";

const MOST_CHANNELS = 256;

/** One multiplex group of a waveform object as physical values. */
export interface DicomWaveform extends Recording {
  /** Names of all its leads, for example `I`, `aVR`, `V1`. */
  readonly names: readonly string[];
}

/**
 * Reads a multiplex group of a waveform object, such as a 12-lead ECG (PS3.3 C.10.9).
 *
 * @param object a parsed waveform object
 * @param wanted names of the wanted leads in their order in the dataset
 * @param unit unit of the dataset, for example uV
 * @param group which group, from 0; the first of an ECG is the rhythm strip
 * @throws FedKimError `FormatError` when samples are missing or coded in another way, `DatasetError` when a lead is
 * missing or its unit does not convert
 */
export function readWaveform(
  object: DicomObject,
  wanted: readonly string[],
  unit: string,
  group = 0,
): DicomWaveform {
  const item = object.items("x54000100")[group];
  if (item === undefined) throw badFile(object.file, "a DICOM waveform", "no waveform sequence");
  const channels = item.integer("x003a0005") ?? 0;
  const length = item.integer("x003a0010") ?? 0;
  const sampleRateHz = item.decimal("x003a001a") ?? 0;
  const interpretation = item.text("x54001006");
  const bytes = item.bytes("x54001010") ?? new Uint8Array(0);
  if (channels < 1 || channels > MOST_CHANNELS || length < 1 || !(sampleRateHz > 0) || sampleRateHz > 1e6) {
    throw badFile(
      object.file,
      "a DICOM waveform",
      `${channels} channels of ${length} samples`,
      "1 or more at a known rate",
    );
  }
  if (item.integer("x54001004") !== 16 || interpretation !== "SS") {
    throw badFile(
      object.file,
      "a DICOM waveform",
      `samples coded as ${interpretation ?? "unknown"}`,
      "16-bit signed samples",
    );
  }
  if (bytes.length < channels * length * 2) {
    throw badFile(
      object.file,
      "a DICOM waveform",
      `${bytes.length} bytes of samples`,
      `${channels * length * 2} bytes`,
    );
  }
  const definitions = item.items("x003a0200");
  const names = definitions.map(leadName);
  const padding = item.bytes("x5400100a");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = !object.bigEndian;
  const invalid = padding === undefined || padding.length < 2
    ? undefined
    : new DataView(padding.buffer, padding.byteOffset, 2).getInt16(0, little);
  const leads = wanted.map((name) => {
    const channel = names.findIndex((candidate) => candidate.toLowerCase() === name.toLowerCase());
    if (channel < 0 || channel >= channels) {
      throw badValue(
        { file: object.file, field: `lead ${name}` },
        `the leads ${names.join(", ")}`,
        "a recording that has this lead",
      );
    }
    const physical = scaling(definitions[channel], unit, name, object.file);
    return (from: number, to: number): Float64Array =>
      Float64Array.from({ length: to - from }, (_, i) => {
        const count = view.getInt16(2 * ((from + i) * channels + channel), little);
        return count === invalid ? NaN : physical(count);
      });
  });
  return { file: object.file, sampleRateHz, length, leads, names };
}

/** `I` of `Lead I (Einthoven)`; the label or the code's meaning where it has another form. */
function leadName(definition: DicomItem): string {
  const meaning = definition.items("x003a0208")[0]?.text("x00080104") ?? definition.text("x003a0203") ?? "";
  return /^(?:lead\s+)?([A-Za-z0-9]+)(?:\s*\(.*\))?$/i.exec(meaning)?.[1] ?? meaning;
}

function scaling(definition: DicomItem, unit: string, name: string, file: string): (count: number) => number {
  const sensitivity = definition.decimal("x003a0210");
  const stated = definition.items("x003a0211")[0]?.text("x00080100");
  const convert = unitConversion(stated ?? "", unit);
  if (sensitivity === undefined || stated === undefined || convert === undefined) {
    const found = sensitivity === undefined ? "no sensitivity" : `the unit ${stated ?? "missing"}`;
    throw badValue(
      { file, field: `lead ${name}` },
      found,
      `a sensitivity in a unit that converts to ${unit}`,
    );
  }
  const correction = definition.decimal("x003a0212") ?? 1;
  const baseline = definition.decimal("x003a0213") ?? 0;
  return (count) => convert(count * sensitivity * correction + baseline);
}
