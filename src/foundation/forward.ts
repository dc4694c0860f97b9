import { FedKimError } from "../formats/errors.ts";
import {
  causalAttention,
  linear,
  recomputed,
  rmsNorm,
  rotary,
  type RotaryTable,
  swiglu,
  tableScores,
  tf,
} from "../tensor/mod.ts";
import type { LinearName } from "./tensor_names.ts";
import type { DecoderConfig } from "./config.ts";
import { rotaryTable } from "./rope.ts";
import type { DecoderWeights, LayerWeights, Linear } from "./weights.ts";

/** Replaces a frozen linear layer's computation, e.g. by one with low-rank experts beside it. */
export interface LinearAdapter {
  /**
   * Computes one linear layer.
   *
   * @param layer index of the decoder layer
   * @param name which of its linear layers
   * @param x input rows `[N, in]`
   * @param base the frozen layer
   * @returns `[N, out]`, or undefined to use the frozen layer as it is
   */
  project(layer: number, name: LinearName, x: tf.Tensor2D, base: Linear): tf.Tensor2D | undefined;
  /** What recomputation needs; an adapter without it, e.g. one that draws at random, is never recomputed. */
  readonly rebinding?: AdapterRebinding;
}

/** Takes an adapter's tensors out and puts others in, so that a layer can be run again in the backward pass. */
export interface AdapterRebinding {
  /**
   * The tensors that the adapter's computation in a layer reads and that may get gradients.
   *
   * @param layer index of the decoder layer
   * @returns the tensors in a fixed order
   */
  tensors(layer: number): readonly tf.Tensor[];
  /**
   * The same adapter with other tensors.
   *
   * @param layer index of the decoder layer
   * @param tensors as many as {@link AdapterRebinding.tensors} gives, in its order
   * @returns an adapter for this layer
   */
  bind(layer: number, tensors: readonly tf.Tensor[]): LinearAdapter;
}

/** Rotated keys and values of one layer, `[B, T, kvHeads*headDim]` each. */
export type KeyValues = {
  /** Keys. */
  readonly keys: tf.Tensor3D;
  /** Values. */
  readonly values: tf.Tensor3D;
};

/** What to compute and from what. */
export interface ForwardOptions {
  /** Adapters at the linear layers. */
  readonly adapter?: LinearAdapter;
  /** `[B, Tpast + T]`, 1 for tokens and 0 for padding; absent without padding. */
  readonly attentionMask?: tf.Tensor2D;
  /** Position of every token: T numbers shared by the batch, or B*T. Default: 0 to T - 1 after the past. */
  readonly positions?: ArrayLike<number>;
  /** Keys and values of earlier tokens, one entry per layer. */
  readonly past?: readonly KeyValues[];
  /** Compute only the last position of each sequence in the top layer: all that prediction needs. */
  readonly lastOnly?: boolean;
  /** Also return the hidden states after the embedding and after every layer. */
  readonly hiddenStates?: boolean;
  /** Also return keys and values of all tokens so far. */
  readonly keepKeyValues?: boolean;
  /**
   * Keep only each layer's input for the backward pass and run the layer again there: a third more time, a fraction
   * of the memory. Has no effect on layers with variables as weights, with `keepKeyValues` or `past`, or with an
   * adapter that cannot be rebound.
   */
  readonly recompute?: boolean;
}

/** The result of a forward pass; the caller owns the tensors. */
export interface ForwardResult {
  /** Final normalised hidden state, `[B*T, H]`, or `[B, H]` with `lastOnly`. */
  readonly hidden: tf.Tensor2D;
  /** With `hiddenStates`: the embedding, then every layer's output, the last one normalised, `[B*T, H]` each. */
  readonly hiddenStates?: readonly tf.Tensor2D[];
  /** With `keepKeyValues`: the cache for the next call. */
  readonly keyValues?: readonly KeyValues[];
}

/**
 * Runs the decoder on input embeddings. Differentiable in the embeddings and in whatever the adapter trains;
 * the weights are constants unless they are variables.
 *
 * @param weights the decoder's tensors
 * @param config its configuration
 * @param embeddings `[B, T, H]`
 * @param options adapters, masks, cache and what to return
 * @returns hidden states; call inside `tf.tidy` or dispose them
 * @throws FedKimError `ModelError` when the sequence is longer than the model's positions
 */
export function decoderForward(
  weights: DecoderWeights,
  config: DecoderConfig,
  embeddings: tf.Tensor3D,
  options: ForwardOptions = {},
): ForwardResult {
  const [batch, length, width] = embeddings.shape;
  const pastLength = options.past?.[0]?.keys.shape[1] ?? 0;
  if (pastLength + length > config.maxPositions) {
    throw new FedKimError("ModelError", "The sequence is too long for this model.", {
      found: `${pastLength + length} tokens`,
      needed: `at most ${config.maxPositions}`,
      remedy: "shorten the prompt or ask for fewer tokens",
    });
  }
  const positions = options.positions ?? Array.from({ length }, (_, i) => pastLength + i);
  const table = rotaryTable(config, positions);
  const context: LayerContext = { config, batch, table, options };
  const states: tf.Tensor2D[] = [];
  const keyValues: KeyValues[] = [];
  let x = embeddings.reshape([batch * length, width]) as tf.Tensor2D;
  for (const [index, layer] of weights.layers.entries()) {
    states.push(x);
    const top = index === weights.layers.length - 1;
    const lastOnly = top && options.lastOnly === true;
    if (canRecompute(layer, options)) {
      x = layerRecomputed(layer, index, x, context, lastOnly);
      continue;
    }
    // Frees what the layer leaves behind, except what a gradient still needs.
    const output = tf.tidy(() => {
      const whole = layerForward(layer, index, x, context, lastOnly);
      return options.keepKeyValues ? whole : { x: whole.x };
    });
    x = output.x;
    if ("keyValues" in output) keyValues.push(output.keyValues);
  }
  const hidden = rmsNorm(x, weights.finalNorm, config.rmsNormEps);
  return {
    hidden,
    ...(options.hiddenStates ? { hiddenStates: [...states, hidden] } : {}),
    ...(options.keepKeyValues ? { keyValues } : {}),
  };
}

/**
 * Next-token logits of hidden states.
 *
 * @param weights the decoder's tensors
 * @param hidden `[N, H]`, normalised
 * @returns `[N, V]`
 */
export function logitsOf(weights: DecoderWeights, hidden: tf.Tensor2D): tf.Tensor2D {
  return tableScores(hidden, weights.head);
}

interface LayerContext {
  readonly config: DecoderConfig;
  readonly batch: number;
  readonly table: RotaryTable;
  readonly options: ForwardOptions;
}

function canRecompute(layer: LayerWeights, options: ForwardOptions): boolean {
  return options.recompute === true && options.keepKeyValues !== true && options.past === undefined &&
    (options.adapter === undefined || options.adapter.rebinding !== undefined) &&
    !(layer.attentionNorm instanceof tf.Variable);
}

function layerRecomputed(
  layer: LayerWeights,
  index: number,
  input: tf.Tensor2D,
  context: LayerContext,
  lastOnly: boolean,
): tf.Tensor2D {
  const { table, options: { adapter, ...options } } = context;
  const trained = adapter?.rebinding?.tensors(index) ?? [];
  const run = (x: tf.Tensor2D, tensors: readonly tf.Tensor[]): tf.Tensor2D => {
    const [cos, sin] = tensors.slice(trained.length) as tf.Tensor2D[];
    const bound = adapter?.rebinding?.bind(index, tensors.slice(0, trained.length));
    const rebound = bound === undefined ? options : { ...options, adapter: bound };
    return layerForward(layer, index, x, { ...context, table: { cos, sin }, options: rebound }, lastOnly).x;
  };
  return recomputed(run, input, trained, [table.cos, table.sin]);
}

function layerForward(
  layer: LayerWeights,
  index: number,
  x: tf.Tensor2D,
  context: LayerContext,
  lastOnly: boolean,
): { x: tf.Tensor2D; keyValues: KeyValues } {
  const { config, batch, table, options } = context;
  const project = (name: LinearName, input: tf.Tensor2D): tf.Tensor2D => {
    const base = layer.linears[name];
    return options.adapter?.project(index, name, input, base) ?? linear(input, base.weight, base.bias);
  };
  const normalised = rmsNorm(x, layer.attentionNorm, config.rmsNormEps);
  const keyValues = extend(
    rotary(project("k_proj", normalised), table, config.kvHeads),
    project("v_proj", normalised),
    batch,
    options.past?.[index],
  );
  const rows = lastOnly ? lastRows(x, batch) : undefined;
  const queryInput = rows === undefined ? normalised : tf.gather(normalised, rows);
  const queryTable = rows === undefined ? table : lastTable(table, batch, x.shape[0] / batch);
  const residual = rows === undefined ? x : tf.gather(x, rows);
  const attended = causalAttention(
    rotary(project("q_proj", queryInput), queryTable, config.heads),
    flatten(keyValues.keys),
    flatten(keyValues.values),
    {
      batch,
      heads: config.heads,
      kvHeads: config.kvHeads,
      ...(options.attentionMask === undefined ? {} : { keyMask: options.attentionMask }),
    },
  );
  const middle = residual.add<tf.Tensor2D>(project("o_proj", attended));
  const feed = rmsNorm(middle, layer.feedForwardNorm, config.rmsNormEps);
  const gated = swiglu(project("gate_proj", feed), project("up_proj", feed));
  return { x: middle.add<tf.Tensor2D>(project("down_proj", gated)), keyValues };
}

function extend(keys: tf.Tensor2D, values: tf.Tensor2D, batch: number, past?: KeyValues): KeyValues {
  const unflatten = (x: tf.Tensor2D): tf.Tensor3D => x.reshape([batch, x.shape[0] / batch, x.shape[1]]);
  const now = { keys: unflatten(keys), values: unflatten(values) };
  if (past === undefined) return now;
  return {
    keys: tf.concat([past.keys, now.keys], 1),
    values: tf.concat([past.values, now.values], 1),
  };
}

function flatten(x: tf.Tensor3D): tf.Tensor2D {
  return x.reshape([x.shape[0] * x.shape[1], x.shape[2]]);
}

function lastRows(x: tf.Tensor2D, batch: number): tf.Tensor1D {
  const length = x.shape[0] / batch;
  return tf.tensor1d(Int32Array.from({ length: batch }, (_, b) => (b + 1) * length - 1), "int32");
}

function lastTable({ cos, sin }: RotaryTable, batch: number, length: number): RotaryTable {
  const [rows] = cos.shape;
  if (rows === length) return { cos: cos.slice([length - 1, 0]), sin: sin.slice([length - 1, 0]) };
  const last = lastRows(cos, batch);
  return { cos: tf.gather(cos, last), sin: tf.gather(sin, last) };
}
