import {
  type DatasetRecord,
  type LocalModelSpec,
  type LocalWeights,
  prepareFeatures,
  recordsInUse,
  type SiteIndex,
  type SiteSet,
  taskScores,
  type TokenEmbedding,
  WITHHELD,
} from "../../local/mod.ts";
import type { ScoredRecord } from "./contribution.ts";
import { binOf, type TaskBins } from "./evaluation_model.ts";
import { groupsOfRecord, type LayoutTerms } from "./layout.ts";

/** Records that are scored at once, and so in memory. */
const BLOCK_ROWS = 256;

/** What the held-out records of a site are scored by. */
export interface Scoring {
  /** The local model. */
  readonly spec: LocalModelSpec;
  /** Its numbers after the last step. */
  readonly weights: LocalWeights;
  /** Bins by task. */
  readonly bins: Readonly<Record<string, TaskBins>>;
  /** The frozen token table, for text. */
  readonly text: TokenEmbedding;
  /** What is counted. */
  readonly terms: LayoutTerms;
}

type IndexedSet = SiteIndex["sets"][number];

/**
 * Scores the records of one set, block by block, and groups them by privacy unit.
 * @param set an indexed set whose records in use are the held-out ones
 * @param scoring see {@link Scoring}
 * @param withdrawn says of a patient whether they have withdrawn since the set was indexed
 * @returns labelled records by number of the unit
 * @throws FedKimError `DatasetError` when the file has changed since it was indexed
 */
export async function scoredUnits(
  set: IndexedSet,
  scoring: Scoring,
  withdrawn: (patient: string) => boolean,
): Promise<Map<number, ScoredRecord[]>> {
  const units = new Map<number, ScoredRecord[]>();
  const inUse = set.unitOfRecord.filter((unit) => unit !== WITHHELD);
  const fields = scoring.terms.subgroups.map(({ field }) => field);
  let block: { record: DatasetRecord; unit: number }[] = [];
  const score = async () => {
    for (const { row, ...scored } of await scoreBlock(set, block.map(({ record }) => record), scoring)) {
      const { unit } = block[row];
      const known = units.get(unit);
      if (known === undefined) units.set(unit, [scored]);
      else known.push(scored);
    }
    block = [];
  };
  let next = 0;
  for await (const record of recordsInUse(set, fields)) {
    const unit = inUse[next++];
    if (withdrawn(record.patient)) continue;
    block.push({ record, unit });
    if (block.length === BLOCK_ROWS) await score();
  }
  await score();
  return units;
}

async function scoreBlock(
  { name, manifest, dir }: IndexedSet,
  records: readonly DatasetRecord[],
  { spec, weights, bins, text, terms }: Scoring,
): Promise<(ScoredRecord & { readonly row: number })[]> {
  if (records.length === 0) return [];
  const nothing = { patients: 0, records: 0 };
  const set: SiteSet = {
    name,
    manifest,
    records,
    units: records.map((_, row) => `${row}`),
    withheld: nothing,
  };
  const data = { name, dir, sets: [set], withheldRecords: 0 };
  const features = prepareFeatures(spec, weights, data, text).sets.get(name)!;
  const scored: (ScoredRecord & { readonly row: number })[] = [];
  for (const [task, taskName] of terms.tasks.entries()) {
    if (!features.labels.has(taskName)) continue;
    const { scores, labels, records: rows } = await taskScores(spec, weights, features, taskName);
    rows.forEach((row, i) =>
      scored.push({
        row,
        task,
        groups: groupsOfRecord(terms, records[row].attributes ?? new Map()),
        label: labels[i],
        bin: binOf(bins[taskName], scores[i]),
      })
    );
  }
  return scored;
}
