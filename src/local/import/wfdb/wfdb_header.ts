import { badFile } from "../source_errors.ts";

/** One signal of a WFDB record. */
export interface WfdbSignal {
  /** File of the samples, in the header's folder. */
  readonly fileName: string;
  /** Storage format: 16 or 212. */
  readonly format: 16 | 212;
  /** Bytes before the first sample in the file. */
  readonly byteOffset: number;
  /** Counts per physical unit. */
  readonly gain: number;
  /** Count of physical zero. */
  readonly baseline: number;
  /** Physical unit, for example mV. */
  readonly unit: string;
  /** 16-bit sum of all samples, if stated. */
  readonly checksum: number | undefined;
  /** What the signal is, for example MLII. */
  readonly description: string;
  /** Position among the signals of its file. */
  readonly position: number;
  /** Number of signals in its file. */
  readonly signalsInFile: number;
}

/** The header (`.hea`) of a WFDB record. */
export interface WfdbHeader {
  /** Name of the record. */
  readonly record: string;
  /** Samples per second of each signal. */
  readonly sampleRateHz: number;
  /** Samples of each signal; undefined where the header does not say. */
  readonly samples: number | undefined;
  /** Signals in the order of the header. */
  readonly signals: readonly WfdbSignal[];
  /** Whether a comment states age, sex or a date, which may identify the patient. */
  readonly personalComments: boolean;
}

const DEFAULT_RATE = 250;
const DEFAULT_GAIN = 200;
const MOST_SIGNALS = 1024;

/**
 * Parses a header file: single-segment records with signals of format 16 or 212 and one sample per frame
 * (WFDB Applications Guide, header(5)).
 *
 * @param text the content of the file
 * @param file its name, for messages
 * @throws FedKimError `FormatError` when it is no header or uses something else
 */
export function parseWfdbHeader(text: string, file: string): WfdbHeader {
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
  const content = lines.filter((line) => !line.startsWith("#"));
  const first = (content[0] ?? "").split(/\s+/);
  const [record, segments] = first[0].split("/");
  if (segments !== undefined) throw bad(file, `a record of ${segments} segments`, "single-segment records");
  const count = integer(first[1], file, "the number of signals");
  if (record === "" || count < 1 || count > MOST_SIGNALS || content.length < count + 1) {
    throw bad(file, `${Math.max(0, content.length - 1)} signal lines for ${first[1] ?? "no"} signals`);
  }
  const sampleRateHz = first[2] === undefined ? DEFAULT_RATE : Number(first[2].split("/")[0]);
  if (!(sampleRateHz > 0) || sampleRateHz > 1e6) {
    throw bad(file, "a sampling rate that is no positive number");
  }
  const samples = first[3] === undefined ? 0 : integer(first[3], file, "the number of samples");
  const files = new Map<string, number>();
  const signals = content.slice(1, count + 1).map((line) => {
    const signal = signalLine(line, file);
    const position = files.get(signal.fileName) ?? 0;
    files.set(signal.fileName, position + 1);
    return { ...signal, position };
  });
  return {
    record,
    sampleRateHz,
    samples: samples === 0 ? undefined : samples,
    signals: signals.map((signal) => ({ ...signal, signalsInFile: files.get(signal.fileName) ?? 1 })),
    personalComments: lines.some((line) =>
      line.startsWith("#") && /age|sex|date|name|\b\d{1,3} [MF]\b|\d{2}[-/]\w{2,3}[-/]\d{2}/i.test(line)
    ),
  };
}

function signalLine(line: string, file: string): Omit<WfdbSignal, "position" | "signalsInFile"> {
  const fields = line.split(/\s+/);
  const [fileName, code = "", gainText = ""] = fields;
  if (/[/\\]/.test(fileName) || fileName === "-" || fileName.startsWith("..")) {
    throw bad(file, "a signal file outside the header's folder", "signal files beside the header");
  }
  const parts = /^(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?$/.exec(code);
  if (parts === null || (parts[1] !== "16" && parts[1] !== "212")) {
    throw bad(file, `storage format ${code.slice(0, 12)}`, "format 16 or 212");
  }
  if (Number(parts[2] ?? 1) !== 1 || Number(parts[3] ?? 0) !== 0) {
    throw bad(file, "several samples per frame, or skew", "one sample per frame and no skew");
  }
  const gainParts = /^([+-]?[\d.eE+-]+?)?(?:\((-?\d+)\))?(?:\/(\S+))?$/.exec(gainText);
  if (gainParts === null) throw bad(file, "a gain that cannot be read");
  const gain = Number(gainParts[1] ?? 0);
  const zero = fields[4] === undefined ? 0 : integer(fields[4], file, "the ADC zero");
  if (!Number.isFinite(gain)) throw bad(file, "a gain that is no number");
  return {
    fileName,
    format: parts[1] === "16" ? 16 : 212,
    byteOffset: Number(parts[4] ?? 0),
    gain: gain === 0 ? DEFAULT_GAIN : gain,
    baseline: gainParts[2] === undefined ? zero : Number(gainParts[2]),
    unit: gainParts[3] ?? "mV",
    checksum: fields[6] === undefined ? undefined : integer(fields[6], file, "the checksum"),
    description: fields.slice(8).join(" "),
  };
}

function integer(text: string | undefined, file: string, what: string): number {
  if (text === undefined || !/^-?\d{1,15}$/.test(text)) throw bad(file, `${what} is no whole number`);
  return Number(text);
}

function bad(file: string, found: string, needed?: string): Error {
  return badFile(file, "a WFDB header", found, needed);
}
