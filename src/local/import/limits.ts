/** Bounds that keep a hostile or damaged source from exhausting memory or disk; every importer takes them. */
export interface ImportLimits {
  /** Largest file that is held in memory whole (an image, a DICOM object, a FHIR bundle), in bytes. */
  readonly wholeFileBytes: number;
  /** Most bytes that one compressed file may inflate to. */
  readonly inflatedBytes: number;
  /** Longest row of a table, in characters. */
  readonly rowCharacters: number;
  /** Most cells of a table that are decoded at once (a Parquet row group's wanted columns). */
  readonly cellsAtOnce: number;
  /** Most pixels of one image, over all channels and frames. */
  readonly pixels: number;
  /** Most samples of one window of a signal, over all leads. */
  readonly samples: number;
  /** Memory for values collected from side tables, in bytes; more passes over them when it is small. */
  readonly joinBytes: number;
}

/** Bounds that fit ordinary hospital files on a machine with 4 GiB of memory. */
export const DEFAULT_IMPORT_LIMITS: ImportLimits = {
  wholeFileBytes: 512 * 1024 * 1024,
  inflatedBytes: 64 * 1024 * 1024 * 1024,
  rowCharacters: 4 * 1024 * 1024,
  cellsAtOnce: 50_000_000,
  pixels: 100_000_000,
  samples: 50_000_000,
  joinBytes: 256 * 1024 * 1024,
};

/**
 * Fills in the bounds that a caller leaves open.
 *
 * @param given the caller's bounds
 */
export function importLimits(given: Partial<ImportLimits> = {}): ImportLimits {
  return { ...DEFAULT_IMPORT_LIMITS, ...given };
}
