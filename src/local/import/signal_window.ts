import type { SignalValue } from "../dataset.ts";
import { Resampler } from "./resample.ts";
import { badFile, badValue } from "./source_errors.ts";

/** A recording of several leads that can be read stretch by stretch. */
export interface Recording {
  /** The file, for messages. */
  readonly file: string;
  /** Samples per second. */
  readonly sampleRateHz: number;
  /** Samples of each lead. */
  readonly length: number;
  /**
   * One reader per lead: values from sample `from` to before `to` in the dataset's unit, NaN = no sample.
   */
  readonly leads: readonly ((from: number, to: number) => Float64Array)[];
}

/** Where a window lies and how it is written. */
export interface WindowSpec {
  /** Start in seconds after the recording's start. */
  readonly startSeconds: number;
  /** Length in seconds. */
  readonly seconds: number;
  /** Samples per second of the dataset. */
  readonly sampleRateHz: number;
}

/**
 * Cuts one window, resamples it and rounds it to int16 in the dataset's unit.
 *
 * @param recording the recording; the window must lie inside it
 * @param spec where and at which rate
 * @param mostSamples bound over all leads
 * @returns the window, or null when a sample of it is missing
 * @throws FedKimError `DatasetError` when a value does not fit into int16, `FormatError` above the bound
 */
export function signalWindow(
  recording: Recording,
  spec: WindowSpec,
  mostSamples: number,
): SignalValue | null {
  const samples = Math.round(spec.seconds * spec.sampleRateHz);
  const leads = recording.leads.length;
  const resampler = new Resampler(recording.sampleRateHz, spec.sampleRateHz);
  const first = spec.startSeconds * recording.sampleRateHz;
  const [from, to] = resampler.needs(first, samples);
  const [start, end] = [Math.max(0, from), Math.min(recording.length, to)];
  if (Math.max(samples, end - start) * leads > mostSamples) {
    throw badFile(recording.file, "a signal", "a window of too many samples", `at most ${mostSamples}`);
  }
  const data = new Int16Array(samples * leads);
  for (const [lead, read] of recording.leads.entries()) {
    const values = resampler.run(read(start, end), start, first, samples);
    for (let i = 0; i < samples; i++) {
      if (Number.isNaN(values[i])) return null;
      const rounded = Math.round(values[i]);
      if (rounded < -32768 || rounded > 32767) {
        throw badValue(
          { file: recording.file, field: `lead ${lead + 1}` },
          "an amplitude that 16 bits do not hold",
          "values from -32768 to 32767 in the dataset's unit",
          "choose a larger unit, for example mV instead of uV, or leave this recording out",
        );
      }
      data[i * leads + lead] = rounded;
    }
  }
  return { kind: "signal", samples, leads, sampleRateHz: spec.sampleRateHz, data };
}
