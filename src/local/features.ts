import type { ModalityManifest } from "../formats/dataset_manifest.ts";
import { FedKimError } from "../formats/errors.ts";
import { normalAnswer } from "./_open_answers.ts";
import type { DatasetRecord, Label } from "./dataset.ts";
import type { SiteData, SiteSet } from "./site_data.ts";
import { channelsOf, type EncoderSpec, type HeadSpec, type LocalModelSpec } from "./spec.ts";
import { type Stem, stemOf } from "./stem.ts";
import type { TokenEmbedding } from "./token_embedding.ts";
import { type LocalWeights, tensorOf } from "./weights.ts";

/** What the stem of one modality gives for all records of a set. */
export interface StemTokens {
  /**
   * Row-major [N, T * width], zero where the modality is missing: tokens of width dEnc, or for an attention
   * encoder patches of their number of features.
   */
  readonly data: Float32Array;
  /** 1 where a token holds something, row-major [N, T]; absent where all tokens of a present record do. */
  readonly mask?: Uint8Array;
  /** 1 where the record has the modality. */
  readonly present: Uint8Array;
}

/** Labels of one task for all records of a set. */
export interface TaskLabels {
  /**
   * Row-major [N, K]: a column per output (multiclass: one-hot; regression: in public standard deviations).
   */
  readonly data: Float32Array;
  /** 1 where the record is labelled. */
  readonly known: Uint8Array;
  /**
   * 1 where an open task's answer is not among the head's: such a record is not trained on and counts as missed.
   */
  readonly outside: Uint8Array;
}

/** What stems and labels give for some records of a set. */
export interface FeatureColumns {
  /** Stem tokens by modality. */
  readonly tokens: ReadonlyMap<string, StemTokens>;
  /** Labels by task of the model. */
  readonly labels: ReadonlyMap<string, TaskLabels>;
}

/** Records of a set in the form that training works on; the stems never run again. */
export interface SetRows extends FeatureColumns {
  /** Name of the set. */
  readonly name: string;
  /** Rows of every privacy unit, by unit. */
  readonly rowsOf: ReadonlyMap<string, readonly number[]>;
}

/** All records of a set in memory. */
export interface SetFeatures extends SetRows {
  /** Number of records N. */
  readonly size: number;
  /** Identifiers of the records. */
  readonly ids: readonly string[];
}

/** The cached features of one part of a federation. */
export interface SiteFeatures {
  /** Sets by name. */
  readonly sets: ReadonlyMap<string, SetFeatures>;
}

/**
 * Computes the frozen stems of all records once, on the host.
 *
 * @param spec the model
 * @param weights its numbers; only `stem.*` and `target.*` are used
 * @param data one part of a federation; sets and modalities unknown to the model are ignored
 * @param embedding the frozen token table, for text
 * @throws FedKimError `DatasetError` when a value is of another kind than the encoder's
 */
export function prepareFeatures(
  spec: LocalModelSpec,
  weights: LocalWeights,
  data: SiteData,
  embedding?: TokenEmbedding,
): SiteFeatures {
  return { sets: new Map(data.sets.map((set) => [set.name, setFeatures(spec, weights, set, embedding)])) };
}

function setFeatures(
  spec: LocalModelSpec,
  weights: LocalWeights,
  set: SiteSet,
  embedding: TokenEmbedding | undefined,
): SetFeatures {
  const size = set.records.length;
  const features = new RecordFeatures(spec, weights, set, embedding);
  const columns = features.columns(size);
  set.records.forEach((record, row) => features.compute(record, columns, row));
  const rowsOf = new Map<string, number[]>();
  set.units.forEach((unit, row) => {
    const rows = rowsOf.get(unit);
    if (rows === undefined) rowsOf.set(unit, [row]);
    else rows.push(row);
  });
  return { name: set.name, size, ids: set.records.map((record) => record.id), rowsOf, ...columns };
}

/** Computes one set's records one by one, into columns of any length. */
export class RecordFeatures {
  readonly #encoders: readonly {
    readonly encoder: EncoderSpec;
    readonly width: number;
    readonly stem: Stem;
  }[];
  readonly #heads: readonly { readonly head: HeadSpec; readonly mean: number; readonly scale: number }[];

  /**
   * @param spec the model
   * @param weights its numbers; only `stem.*` and `target.*` are used
   * @param set the set; modalities unknown to the model are ignored
   * @param embedding the frozen token table, for text
   * @throws FedKimError `DatasetError` when a modality has other columns than the encoder's
   */
  constructor(
    spec: LocalModelSpec,
    weights: LocalWeights,
    { name, manifest }: Pick<SiteSet, "name" | "manifest">,
    embedding: TokenEmbedding | undefined,
  ) {
    this.#encoders = spec.encoders.flatMap((encoder) => {
      const found = manifest.modalities[encoder.modality];
      if (found === undefined) return [];
      checkInput(encoder, found, name);
      const stem = stemOf(spec, weights, encoder, embedding);
      return [{ encoder, width: stemWidth(spec, encoder), stem }];
    });
    const target = (task: string, part: string) => tensorOf(weights, `target.${task}.${part}`).data[0];
    this.#heads = spec.heads.filter(({ set }) => set === name).map((head) => {
      if (head.type !== "regression") return { head, mean: 0, scale: 1 };
      return { head, mean: target(head.task, "mean"), scale: target(head.task, "scale") };
    });
  }

  /** Empty columns for some records. */
  columns(size: number): FeatureColumns {
    const tokens = this.#encoders.map(({ encoder: { modality, attention, tokens }, width }) => {
      const mask = attention === undefined ? {} : { mask: new Uint8Array(size * tokens) };
      const data = new Float32Array(size * width);
      return [modality, { data, present: new Uint8Array(size), ...mask }] as const;
    });
    const labels = this.#heads.map(({ head: { task, outputs } }) => {
      const data = new Float32Array(size * outputs);
      return [task, { data, known: new Uint8Array(size), outside: new Uint8Array(size) }] as const;
    });
    return { tokens: new Map(tokens), labels: new Map(labels) };
  }

  /** Computes one record into a row that is still empty. */
  compute(record: DatasetRecord, { tokens, labels }: FeatureColumns, row: number): void {
    for (const { encoder: { modality, tokens: count }, width, stem } of this.#encoders) {
      const value = record.values.get(modality);
      const found = value === null || value === undefined ? null : stem(value);
      const into = tokens.get(modality);
      if (found === null || into === undefined) continue;
      into.data.set(found.data, row * width);
      if (found.mask !== undefined) into.mask?.set(found.mask, row * count);
      into.present[row] = 1;
    }
    for (const { head, mean, scale } of this.#heads) {
      const label = record.labels.get(head.task);
      const into = labels.get(head.task);
      if (label === null || label === undefined || into === undefined) continue;
      const values = targets(head, label);
      if (values === undefined) {
        into.outside[row] = 1;
        continue;
      }
      into.data.set(values.map((value) => (value - mean) * scale), row * head.outputs);
      into.known[row] = 1;
    }
  }
}

/** Width of a record in {@link StemTokens.data}. */
export function stemWidth(spec: LocalModelSpec, { tokens, views, attention }: EncoderSpec): number {
  return tokens * (attention === undefined ? spec.dEnc : views[0].features);
}

/** A column in another order would be read as another measurement, so names must match exactly. */
function checkInput(encoder: EncoderSpec, manifest: ModalityManifest, set: string): void {
  const channels = channelsOf(manifest);
  if (manifest.kind === encoder.kind && channels.join("\n") === encoder.channels.join("\n")) return;
  const odd = channels.findIndex((channel, index) => channel !== encoder.channels[index]);
  throw new FedKimError(
    "DatasetError",
    `Modality ${encoder.modality} of set ${set} does not fit the model.`,
    {
      found: `kind ${manifest.kind}, ${channels.length} channels${
        odd < 0 ? "" : `, channel ${odd} is ${channels[odd]}`
      }`,
      needed: `kind ${encoder.kind} with the ${encoder.channels.length} public channels in the same order`,
      remedy: "map the site's columns to the names of the public manifest",
    },
  );
}

/** One column per output; undefined for an open answer that the head cannot give. */
function targets({ type, outputs, answers = [] }: HeadSpec, label: Label): number[] | undefined {
  const oneHot = (at: number): number[] => Array.from({ length: outputs }, (_, k) => (k === at ? 1 : 0));
  switch (type) {
    case "multilabel":
      return typeof label === "object" ? [...label] : undefined;
    case "multiclass":
      return oneHot(Number(label));
    case "open": {
      const at = answers.indexOf(normalAnswer(String(label)));
      return at < 0 ? undefined : oneHot(at);
    }
    case "binary":
    case "regression":
      return [Number(label)];
  }
}
