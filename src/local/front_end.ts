import type { ModalityKind, ModalityManifest } from "../formats/dataset_manifest.ts";
import {
  SERIES_PATCHES,
  SERIES_STATISTICS,
  timeseriesFeatures,
  vectorFeatures,
} from "./_clinical_front_end.ts";
import type { ModalityValue } from "./dataset.ts";
import { checkKind, requireEmbedding } from "./_value_kind.ts";
import { IMAGE_EDGES, IMAGE_SIDE, imageFeatures } from "./_image_front_end.ts";
import { SIGNAL_PATCHES, SIGNAL_SPECTRUM, signalFeatures } from "./_signal_front_end.ts";
import type { TokenEmbedding } from "./token_embedding.ts";

/** One view of a modality: the front end's features that one token is made of. */
export interface ViewSpec {
  /** Name, part of the stem's tensor names. */
  readonly name: string;
  /** Number of features. */
  readonly features: number;
}

/**
 * The views that a modality's front end gives; every view becomes one token.
 *
 * @param modality how the modality is stored
 * @param tokenDimension width of the token embedding, for text
 */
export function viewsOf(modality: ModalityManifest, tokenDimension: number): ViewSpec[] {
  switch (modality.kind) {
    case "image":
      return [{ name: "whole", features: IMAGE_SIDE * IMAGE_SIDE }, { name: "edges", features: IMAGE_EDGES }];
    case "signal":
      return [{ name: "patches", features: SIGNAL_PATCHES }, { name: "spectrum", features: SIGNAL_SPECTRUM }];
    case "timeseries":
      return [
        { name: "whole", features: modality.channels.length * SERIES_STATISTICS },
        { name: "patches", features: modality.channels.length * SERIES_PATCHES * 2 },
      ];
    case "vector":
      return [{ name: "values", features: modality.channels.length * 2 }];
    case "text":
      return [{ name: "mean", features: tokenDimension }];
  }
}

/**
 * Computes the views of one value on the host, so that they are the same to the bit for every tensor backend.
 * No parameter is learned here.
 *
 * @param value a record's value
 * @param kind the kind that the encoder was made for
 * @param embedding the frozen token table, for text
 * @returns one array per view, NaN = missing; null when nothing can be said (a text without tokens)
 * @throws FedKimError `DatasetError` when the value is of another kind
 */
export function viewFeatures(
  value: ModalityValue,
  kind: ModalityKind,
  embedding: TokenEmbedding | undefined,
): Float32Array[] | null {
  checkKind(value, kind);
  switch (value.kind) {
    case "image":
      return imageFeatures(value);
    case "signal":
      return signalFeatures(value);
    case "timeseries":
      return timeseriesFeatures(value);
    case "vector":
      return vectorFeatures(value);
    case "text":
      return textFeatures(value.text, requireEmbedding(embedding));
  }
}

/** Mean of the frozen embeddings of a text's tokens. */
function textFeatures(text: string, embedding: TokenEmbedding): Float32Array[] | null {
  const { dimension } = embedding;
  const rows = embedding.embed(text);
  const count = rows.length / dimension;
  if (count === 0) return null;
  const mean = new Float32Array(dimension);
  for (let at = 0; at < rows.length; at++) mean[at % dimension] += rows[at] / count;
  return [mean];
}
