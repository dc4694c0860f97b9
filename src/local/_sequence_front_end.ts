import type { ModalityKind, ModalityManifest } from "../formats/dataset_manifest.ts";
import type { ImageValue, ModalityValue, SignalValue, TimeseriesValue, VectorValue } from "./dataset.ts";
import { checkKind, requireEmbedding } from "./_value_kind.ts";
import { IMAGE_SIDE, smallImage } from "./_image_front_end.ts";
import { PATCH_FEATURES, signalPatches } from "./_signal_front_end.ts";
import { vectorFeatures } from "./_clinical_front_end.ts";
import type { TokenEmbedding } from "./token_embedding.ts";

/** Sizes of a sequence of patches. */
export interface SequenceShape {
  /** Patches T. */
  readonly tokens: number;
  /** Features of a patch. */
  readonly features: number;
}

/** One value as patches. */
export interface Sequence {
  /** Row-major [T, features], NaN = missing. */
  readonly data: Float32Array;
  /** 1 where a patch holds something. */
  readonly mask: Uint8Array;
}

/**
 * How a modality is cut into at most `most` patches: time series and signals along time (hours, seconds), an
 * image into squares, a text into pieces; a vector is one patch.
 */
export function sequenceShape(
  manifest: ModalityManifest,
  tokenDimension: number,
  most: number,
): SequenceShape {
  switch (manifest.kind) {
    case "timeseries":
      return { tokens: Math.min(most, manifest.steps), features: 2 * manifest.channels.length };
    case "signal":
      return { tokens: most, features: 2 * PATCH_FEATURES };
    case "image": {
      const side = gridSide(most);
      return { tokens: side * side, features: (IMAGE_SIDE / side) ** 2 };
    }
    case "vector":
      return { tokens: 1, features: 2 * manifest.channels.length };
    case "text":
      return { tokens: most, features: tokenDimension };
  }
}

/**
 * Cuts one value into patches, on the host, so that every backend sees the same bits.
 *
 * @returns null when no patch holds anything
 */
export function sequenceFeatures(
  value: ModalityValue,
  kind: ModalityKind,
  { tokens, features }: SequenceShape,
  embedding: TokenEmbedding | undefined,
): Sequence | null {
  checkKind(value, kind);
  const out: Sequence = {
    data: new Float32Array(tokens * features).fill(NaN),
    mask: new Uint8Array(tokens),
  };
  const put = (token: number, patch: ArrayLike<number>): void => {
    out.data.set(patch, token * features);
    out.mask[token] = 1;
  };
  switch (value.kind) {
    case "timeseries":
      seriesPatches(value, tokens, put);
      break;
    case "signal":
      wavePatches(value, tokens, put);
      break;
    case "image":
      squares(value, tokens, put);
      break;
    case "vector":
      measured(value, put);
      break;
    case "text":
      pieces(value.text, tokens, requireEmbedding(embedding), put);
      break;
  }
  return out.mask.includes(1) ? out : null;
}

type Put = (token: number, patch: ArrayLike<number>) => void;

/**
 * First and one past the last index of window t of `count` items; windows differ by at most one in length.
 */
function bounds(t: number, tokens: number, count: number): readonly [number, number] {
  return [Math.floor((t * count) / tokens), Math.floor(((t + 1) * count) / tokens)];
}

/** Per window and channel: mean of what was measured, and the share that was not. */
function seriesPatches({ steps, channels, data }: TimeseriesValue, tokens: number, put: Put): void {
  const patch = new Float32Array(2 * channels);
  for (let t = 0; t < tokens; t++) {
    const [from, to] = bounds(t, tokens, steps);
    let any = false;
    for (let channel = 0; channel < channels; channel++) {
      let seen = 0, sum = 0;
      for (let step = from; step < to; step++) {
        const value = data[step * channels + channel];
        if (Number.isNaN(value)) continue;
        seen++;
        sum += value;
      }
      any ||= seen > 0;
      patch[2 * channel] = seen === 0 ? NaN : sum / seen;
      patch[2 * channel + 1] = to === from ? 1 : 1 - seen / (to - from);
    }
    if (any) put(t, patch);
  }
}

/**
 * Per window the mean over its one-second patches, once averaged over leads and once the greatest of any
 * lead: so one model serves 1 to 12 leads of any rate and length. A signal with fewer seconds than windows
 * leaves some empty.
 */
function wavePatches(signal: SignalValue, tokens: number, put: Put): void {
  const leads = signalPatches(signal);
  const seconds = leads[0].length;
  const patch = new Float32Array(2 * PATCH_FEATURES);
  for (let t = 0; t < tokens; t++) {
    const [from, to] = bounds(t, tokens, seconds);
    if (to === from) continue;
    patch.fill(0, 0, PATCH_FEATURES).fill(-Infinity, PATCH_FEATURES);
    for (const lead of leads) {
      for (let feature = 0; feature < PATCH_FEATURES; feature++) {
        let mean = 0;
        for (let second = from; second < to; second++) mean += lead[second][feature] / (to - from);
        patch[feature] += mean / leads.length;
        patch[PATCH_FEATURES + feature] = Math.max(patch[PATCH_FEATURES + feature], mean);
      }
    }
    put(t, patch);
  }
}

/** The largest grid of at most `most` squares whose side divides the image's. */
function gridSide(most: number): number {
  let side = 1;
  while ((2 * side) ** 2 <= most && 2 * side <= IMAGE_SIDE) side *= 2;
  return side;
}

function squares(image: ImageValue, tokens: number, put: Put): void {
  const small = smallImage(image);
  const side = Math.round(Math.sqrt(tokens));
  const size = IMAGE_SIDE / side;
  const patch = new Float32Array(size * size);
  for (let t = 0; t < tokens; t++) {
    const top = Math.floor(t / side) * size, left = (t % side) * size;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) patch[y * size + x] = small[(top + y) * IMAGE_SIDE + left + x];
    }
    put(t, patch);
  }
}

function measured(vector: VectorValue, put: Put): void {
  if (vector.data.some((value) => !Number.isNaN(value))) put(0, vectorFeatures(vector)[0]);
}

/** The mean embedding of each piece of a text, pieces of equal numbers of tokens. */
function pieces(text: string, tokens: number, embedding: TokenEmbedding, put: Put): void {
  const { dimension } = embedding;
  const rows = embedding.embed(text);
  const count = rows.length / dimension;
  const patch = new Float32Array(dimension);
  for (let t = 0; t < tokens; t++) {
    const [from, to] = bounds(t, tokens, count);
    if (to === from) continue;
    patch.fill(0);
    for (let at = from * dimension; at < to * dimension; at++) {
      patch[at % dimension] += rows[at] / (to - from);
    }
    put(t, patch);
  }
}
