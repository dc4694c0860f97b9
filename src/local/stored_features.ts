import { FedKimError } from "../formats/errors.ts";
import { FeatureFile, sweepFeatureFiles } from "./_feature_file.ts";
import { RecordFeatures, type SetRows } from "./features.ts";
import { unknownUnit } from "./_gradient_job.ts";
import { type IndexedSet, recordsInUse, type SiteIndex, WITHHELD } from "./site_index.ts";
import type { LocalModelSpec } from "./spec.ts";
import type { TokenEmbedding } from "./token_embedding.ts";
import type { LocalWeights } from "./weights.ts";

/** Records whose features are computed before they are written. */
const BLOCK_ROWS = 256;

/** Most records of one unit: a step sums a unit's gradient before it clips, so all of them are in memory at once. */
const MOST_UNIT_RECORDS = 65_536;
/** Most bytes of features of one unit. */
const MOST_UNIT_BYTES = 256 * 1024 * 1024;

/** A set whose features lie in a file; its units are named by their numbers. */
export class StoredSet {
  /** Name of the set. */
  readonly name: string;
  /** Number of privacy units. */
  readonly units: number;
  readonly #file: FeatureFile;
  readonly #features: RecordFeatures;
  /** Rows of unit u, in rising order, from #starts[u] to #starts[u + 1]. */
  readonly #rows: Uint32Array;
  readonly #starts: Uint32Array;
  readonly #withdrawn = new Set<number>();

  private constructor(set: IndexedSet, groups: UnitRows, file: FeatureFile, features: RecordFeatures) {
    this.name = set.name;
    this.units = set.units;
    this.#file = file;
    this.#features = features;
    this.#rows = groups.rows;
    this.#starts = groups.starts;
  }

  /** Runs the frozen stems over a set's records, block by block, into a file of a folder. */
  static async create(
    folder: string,
    set: IndexedSet,
    spec: LocalModelSpec,
    weights: LocalWeights,
    embedding?: TokenEmbedding,
  ): Promise<StoredSet> {
    const read = new Set(
      spec.heads.filter((head) => head.set === set.name).flatMap((head) => head.modalities),
    );
    const encoders = spec.encoders.filter(({ modality }) => read.has(modality));
    const features = new RecordFeatures({ ...spec, encoders }, weights, set, embedding);
    const groups = rowsByUnit(set);
    const file = await FeatureFile.create(folder, features.columns(1));
    try {
      requireModestUnits(set, groups, file.rowBytes);
      let block = features.columns(BLOCK_ROWS);
      let filled = 0;
      for await (const record of recordsInUse(set)) {
        features.compute(record, block, filled++);
        if (filled < BLOCK_ROWS) continue;
        await file.append(block, filled);
        [block, filled] = [features.columns(BLOCK_ROWS), 0];
      }
      await file.append(block, filled);
      return new StoredSet(set, groups, file, features);
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
  }

  /** Numbers of the units that may be sampled: all but the withdrawn ones. */
  get present(): number[] {
    return Array.from({ length: this.units }, (_, number) => number)
      .filter((number) => !this.#withdrawn.has(number));
  }

  /**
   * Takes units out for good: they are sampled no more, and their features on disk are overwritten by zeros.
   *
   * @param numbers numbers of units
   * @throws FedKimError `ConfigError` for a unit that the set does not have, or where the file cannot be written
   */
  withdraw(numbers: Iterable<number>): void {
    for (const number of numbers) {
      const unit = this.#number(String(number));
      this.#withdrawn.add(unit);
      this.#file.erase(this.#rows.subarray(this.#starts[unit], this.#starts[unit + 1]));
    }
  }

  /** Bytes of a record in memory and on disk. */
  get rowBytes(): number {
    return this.#file.rowBytes;
  }

  /** Number of records of a unit. @throws FedKimError `ConfigError` for a unit that the set does not have */
  recordsOf(unit: string): number {
    const number = this.#number(unit);
    return this.#starts[number + 1] - this.#starts[number];
  }

  /**
   * Reads all records of some units.
   *
   * @param chosen names of units
   * @throws FedKimError `ConfigError` for a unit that the set does not have
   */
  read(chosen: readonly string[]): SetRows {
    const numbers = chosen.map((unit) => this.#number(unit));
    const ranges = numbers.map((number) =>
      this.#rows.subarray(this.#starts[number], this.#starts[number + 1])
    );
    const size = ranges.reduce((sum, range) => sum + range.length, 0);
    const wanted = new Uint32Array(size);
    let filled = 0;
    for (const range of ranges) {
      wanted.set(range, filled);
      filled += range.length;
    }
    wanted.sort();
    const place = new Map(Array.from(wanted, (row, index) => [row, index] as const));
    const columns = this.#features.columns(size);
    this.#file.read(wanted, columns);
    const rowsOf = new Map(ranges.map((range, index) => {
      return [chosen[index], Array.from(range, (row) => place.get(row) as number)] as const;
    }));
    return { name: this.name, rowsOf, ...columns };
  }

  #number(unit: string): number {
    const number = Number(unit);
    if (Number.isInteger(number) && number >= 0 && number < this.units) return number;
    throw unknownUnit(this.name);
  }

  /** Removes the file. */
  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** Rows of unit u, in rising order, are rows[starts[u]] to rows[starts[u + 1] - 1]. */
interface UnitRows {
  readonly rows: Uint32Array;
  readonly starts: Uint32Array;
}

function requireModestUnits({ dir }: IndexedSet, { starts }: UnitRows, rowBytes: number): void {
  const limit = Math.min(MOST_UNIT_RECORDS, Math.floor(MOST_UNIT_BYTES / rowBytes));
  const most = starts.reduce((most, end, unit) => Math.max(most, end - (starts[unit - 1] ?? 0)), 0);
  if (most <= limit) return;
  throw new FedKimError("DatasetError", `${dir} has a privacy unit with more records than a step can hold.`, {
    found: "a patient, or other unit, with too many records",
    needed: `at most ${limit} records of one unit, with this plan's model`,
    remedy: "merge or leave out records of units with very many, or take part with another set",
  });
}

/** Rows of the file grouped by unit, by a counting sort. */
function rowsByUnit({ unitOfRecord, units, size }: IndexedSet): UnitRows {
  const inUse = unitOfRecord.filter((unit) => unit !== WITHHELD);
  const starts = new Uint32Array(units + 1);
  for (const unit of inUse) starts[unit + 1]++;
  for (let unit = 0; unit < units; unit++) starts[unit + 1] += starts[unit];
  const next = starts.slice();
  const rows = new Uint32Array(size);
  inUse.forEach((unit, row) => rows[next[unit]++] = row);
  return { rows, starts };
}

/** The features of a site on disk, for training on more records than fit into memory. */
export class StoredFeatures {
  /** Sets by name. */
  readonly sets: ReadonlyMap<string, StoredSet>;

  private constructor(sets: ReadonlyMap<string, StoredSet>) {
    this.sets = sets;
  }

  /**
   * Computes the frozen stems of all records of the sets that a model trains on, once, and keeps them in files of a
   * folder. Memory holds a block of records, and twelve bytes for each of them. Files that a killed process left in
   * the folder are removed first.
   *
   * @param folder a private folder on a disk with room
   * @param spec the model
   * @param weights its numbers; only `stem.*` and `target.*` are used
   * @param index one part of a federation; sets and modalities unknown to the model are ignored
   * @param embedding the frozen token table, for text
   * @throws FedKimError `DatasetError` when records are not what they were in the index or do not fit the model, or
   * one unit has more records than a step can hold (65,536, or 256 MiB of features),
   * `ConfigError` when the folder cannot be written
   */
  static async create(
    folder: string,
    spec: LocalModelSpec,
    weights: LocalWeights,
    index: SiteIndex,
    embedding?: TokenEmbedding,
  ): Promise<StoredFeatures> {
    const sets = new Map<string, StoredSet>();
    const features = new StoredFeatures(sets);
    await sweepFeatureFiles(folder);
    try {
      for (const set of index.sets) {
        if (!spec.heads.some((head) => head.set === set.name)) continue;
        sets.set(set.name, await StoredSet.create(folder, set, spec, weights, embedding));
      }
      return features;
    } catch (error) {
      features[Symbol.dispose]();
      throw error;
    }
  }

  /** Removes the files. */
  [Symbol.dispose](): void {
    for (const set of this.sets.values()) set[Symbol.dispose]();
  }
}
