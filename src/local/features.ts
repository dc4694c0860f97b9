import type { ModalityManifest } from "../formats/dataset_manifest.ts";
import { FedKimError } from "../formats/errors.ts";
import { normalAnswer } from "./_open_answers.ts";
import type { Label } from "./dataset.ts";
import type { SiteData, SiteSet } from "./site_data.ts";
import { channelsOf, type EncoderSpec, type HeadSpec, type LocalModelSpec } from "./spec.ts";
import { stemOf } from "./stem.ts";
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
   * Rows of an open task whose answer is not among the head's: they are not trained on and count as missed.
   */
  readonly outside: readonly number[];
}

/** A set in the form that training works on; the stems never run again. */
export interface SetFeatures {
  /** Name of the set. */
  readonly name: string;
  /** Number of records N. */
  readonly size: number;
  /** Identifiers of the records. */
  readonly ids: readonly string[];
  /** Rows of every privacy unit, by unit. */
  readonly rowsOf: ReadonlyMap<string, readonly number[]>;
  /** Stem tokens by modality. */
  readonly tokens: ReadonlyMap<string, StemTokens>;
  /** Labels by task of the model. */
  readonly labels: ReadonlyMap<string, TaskLabels>;
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
  const tokens = new Map<string, StemTokens>();
  for (const encoder of spec.encoders) {
    const manifest = set.manifest.modalities[encoder.modality];
    if (manifest === undefined) continue;
    checkInput(encoder, manifest, set.name);
    const width = stemWidth(spec, encoder);
    const stem = stemOf(spec, weights, encoder, embedding);
    const mask = encoder.attention === undefined ? {} : { mask: new Uint8Array(size * encoder.tokens) };
    const all: StemTokens = {
      data: new Float32Array(size * width),
      present: new Uint8Array(size),
      ...mask,
    };
    set.records.forEach((record, row) => {
      const value = record.values.get(encoder.modality);
      const found = value === null || value === undefined ? null : stem(value);
      if (found === null) return;
      all.data.set(found.data, row * width);
      if (found.mask !== undefined) all.mask?.set(found.mask, row * encoder.tokens);
      all.present[row] = 1;
    });
    tokens.set(encoder.modality, all);
  }
  const labels = new Map<string, TaskLabels>();
  for (const head of spec.heads) {
    if (head.set !== set.name) continue;
    labels.set(head.task, labelsOf(head, set.records.map((record) => record.labels.get(head.task)), weights));
  }
  const rowsOf = new Map<string, number[]>();
  set.units.forEach((unit, row) => {
    const rows = rowsOf.get(unit);
    if (rows === undefined) rowsOf.set(unit, [row]);
    else rows.push(row);
  });
  return { name: set.name, size, ids: set.records.map((record) => record.id), rowsOf, tokens, labels };
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

function labelsOf(
  head: HeadSpec,
  raw: readonly (Label | null | undefined)[],
  weights: LocalWeights,
): TaskLabels {
  const target = (part: string): number => tensorOf(weights, `target.${head.task}.${part}`).data[0];
  const [mean, scale] = head.type === "regression" ? [target("mean"), target("scale")] : [0, 1];
  const data = new Float32Array(raw.length * head.outputs);
  const known = new Uint8Array(raw.length);
  const outside: number[] = [];
  raw.forEach((label, row) => {
    if (label === null || label === undefined) return;
    const values = targets(head, label);
    if (values === undefined) {
      outside.push(row);
      return;
    }
    data.set(values.map((value) => (value - mean) * scale), row * head.outputs);
    known[row] = 1;
  });
  return { data, known, outside };
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

/**
 * Every privacy unit of a set in a fixed order, to be Poisson-sampled.
 *
 * @param features a set
 */
export function units(features: SetFeatures): string[] {
  return [...features.rowsOf.keys()];
}
