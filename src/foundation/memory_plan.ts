import { FedKimError } from "../formats/errors.ts";
import { type BackendName, type DeviceMemory, packedBytes, type WeightForm } from "../tensor/mod.ts";
import type { DecoderConfig } from "./config.ts";
import { type LinearName, linearShapes } from "./tensor_names.ts";

/** What a decoder is to do, as far as it decides how much memory that takes. */
export interface MemoryRequest {
  /** The decoder. */
  readonly config: DecoderConfig;
  /** How its matrices are stored; WASM and cpu hold float32 whatever the form. */
  readonly weights: WeightForm;
  /** Where it runs. */
  readonly backend: BackendName;
  /** Sequences at a time. */
  readonly batch: number;
  /** Tokens of a sequence, the prompt where text is generated. */
  readonly tokens: number;
  /** Rows of logits per sequence: label positions in training, 1 for the next token. Default 1. */
  readonly scoredTokens?: number;
  /** Tokens to generate after the prompt: they and the prompt fill a key-value cache. Default 0, no cache. */
  readonly newTokens?: number;
  /** True for a backward pass to adapters and inputs. Default false. */
  readonly training?: boolean;
  /** True when the backward pass runs each layer again instead of keeping its intermediates. Default false. */
  readonly recompute?: boolean;
  /** Low-rank adapters at every layer: their total rank and where they stand. */
  readonly adapter?: { readonly rank: number; readonly targetModules: readonly LinearName[] };
}

/** What a decoder is loaded for; the checkpoint and the active backend say the rest of a {@link MemoryRequest}. */
export type DecoderUse = Omit<MemoryRequest, "config" | "weights" | "backend">;

/** Bytes of device memory by purpose. */
export interface MemoryPlan {
  /** Frozen weights. */
  readonly weights: number;
  /** Intermediate results at the peak, gradients of activations included. */
  readonly activations: number;
  /** Key-value cache, twice its final size: the old and the new one exist while it grows. */
  readonly keyValues: number;
  /** Adapters and, in training, their gradients. */
  readonly adapters: number;
  /** Two moments per trained weight. */
  readonly optimizer: number;
  /** The sum. */
  readonly total: number;
  /** The largest single tensor that cannot be split: attention scores or logits. */
  readonly largestTensor: { readonly name: string; readonly bytes: number };
}

/** Tensors that are alive at the peak, in multiples of a width, for each token (and layer, in training). */
interface Multiples {
  readonly hidden: number;
  readonly feedForward: number;
  readonly query: number;
  readonly keyValue: number;
  readonly scores: number;
  readonly rank: number;
  /** Multiples of a row of logits. */
  readonly logits: number;
}

/** How a backend computes a layer: WASM's kernels, WebGPU's shaders, or composed of tfjs's ops. */
type Kernels = "wasm" | "webgpu" | "composed";

/**
 * Counted on the peak of real passes with tfjs 4.22, by varying one width at a time. Fused kernels keep few
 * intermediates; where ops are composed, tfjs keeps the gradient of every one until the backward pass ends.
 */
const TRAINING: Readonly<Record<Kernels, Multiples>> = {
  wasm: { hidden: 15.8, feedForward: 6.2, query: 5.2, keyValue: 5.1, scores: 1, rank: 8, logits: 3 },
  webgpu: { hidden: 15.8, feedForward: 6.2, query: 8, keyValue: 5.8, scores: 1.4, rank: 10, logits: 9 },
  composed: {
    hidden: 25.8,
    feedForward: 12.2,
    query: 17.5,
    keyValue: 19.6,
    scores: 7.5,
    rank: 10,
    logits: 9,
  },
};
const INFERENCE: Readonly<Record<Kernels, Multiples>> = {
  wasm: { hidden: 4, feedForward: 3, query: 3, keyValue: 3, scores: 0, rank: 1, logits: 2 },
  webgpu: { hidden: 10, feedForward: 3.8, query: 8, keyValue: 5, scores: 1.9, rank: 1, logits: 2 },
  composed: { hidden: 10, feedForward: 5.1, query: 5.4, keyValue: 8, scores: 5.2, rank: 1, logits: 2 },
};

function kernelsOf(backend: BackendName): Kernels {
  return backend === "cpu" ? "composed" : backend;
}

/** A recomputed layer at its peak, over a kept one: parts of its first run are still being freed. */
const RECOMPUTED_LAYER = 1.3;

/**
 * How much device memory a decoder needs: a pure function of its configuration and of what it is to do.
 *
 * @param request decoder, weight form, backend, batch, tokens and adapters
 * @returns bytes by purpose
 */
export function planMemory(request: MemoryRequest): MemoryPlan {
  const { config, batch, tokens, scoredTokens = 1, newTokens = 0, training = false, adapter } = request;
  const wholeLayers = training && request.recompute !== true;
  const shapes = linearShapes(config);
  const tokenRows = batch * tokens;
  const multiples = (training ? TRAINING : INFERENCE)[kernelsOf(request.backend)];
  const keyValueWidth = config.kvHeads * config.headDim;
  const perLayer = multiples.hidden * config.hiddenSize + multiples.feedForward * config.intermediateSize +
    multiples.query * config.heads * config.headDim + multiples.keyValue * keyValueWidth +
    multiples.scores * config.heads * tokens +
    multiples.rank * (adapter?.rank ?? 0) * (adapter?.targetModules.length ?? 0) / 7;
  // Otherwise every layer leaves its output behind (and its gradient), and one layer at a time its intermediates.
  const perToken = wholeLayers
    ? config.layers * perLayer + 6 * config.hiddenSize
    : perLayer * (training ? RECOMPUTED_LAYER : 1) + config.layers * config.hiddenSize * (training ? 2 : 1);
  const logits = batch * scoredTokens * config.vocabSize;
  const trained = adapter === undefined ? 0 : config.layers *
    adapter.targetModules.reduce((sum, name) => sum + adapter.rank * (shapes[name][0] + shapes[name][1]), 0);
  const cache = newTokens === 0 ? 0 : 2 * config.layers * batch * (tokens + newTokens) * keyValueWidth;
  const parts = {
    weights: weightBytes(request),
    activations: 4 * (tokenRows * perToken + multiples.logits * logits),
    keyValues: 4 * 2 * cache,
    adapters: 4 * trained * (training ? 2 : 1),
    optimizer: training ? 4 * 2 * trained : 0,
  };
  const scores = { name: "attention scores", bytes: 4 * batch * config.heads * tokens * tokens };
  const logitRows = { name: "logits", bytes: 4 * logits };
  return {
    ...parts,
    total: Object.values(parts).reduce((sum, bytes) => sum + bytes, 0),
    largestTensor: scores.bytes > logitRows.bytes ? scores : logitRows,
  };
}

/**
 * One line for people: `needs 3.9 GB (weights 3.1, ...), the device offers 80.0 GB (nvidia-smi)`.
 *
 * @param plan what is needed
 * @param offer what the device offers
 * @returns the line, without a full stop
 */
export function describeMemory(plan: MemoryPlan, offer: DeviceMemory): string {
  const parts = [
    ["weights", plan.weights],
    ["activations", plan.activations],
    ["key-value cache", plan.keyValues],
    ["adapters", plan.adapters],
    ["optimizer", plan.optimizer],
  ] as const;
  const listed = parts.filter(([, bytes]) => bytes > 0).map(([name, bytes]) => `${name} ${size(bytes)}`);
  const offered = offer.bytes === undefined
    ? `the device's memory is unknown (${offer.source})`
    : `the device offers ${size(offer.bytes)} (${offer.source})`;
  return `needs ${size(plan.total)} (${listed.join(", ")}), ${offered}`;
}

/**
 * Refuses what does not fit, with remedies that do.
 *
 * @param request what is to be done
 * @param offer what the device offers; an unknown size refuses nothing but tensors that are too large
 * @returns the plan, when it fits
 * @throws FedKimError `ModelError` with the reason `out_of_memory` or `tensor_too_large`
 */
export function checkMemory(request: MemoryRequest, offer: DeviceMemory): MemoryPlan {
  const plan = planMemory(request);
  if (fits(plan, offer)) return plan;
  const tooMuch = offer.bytes !== undefined && plan.total > offer.bytes;
  const { name, bytes } = plan.largestTensor;
  throw new FedKimError("ModelError", "The model does not fit this device's memory.", {
    found: tooMuch ? describeMemory(plan, offer) : `${name} of ${size(bytes)} in one tensor`,
    needed: tooMuch
      ? `at most ${size(offer.bytes ?? 0)}`
      : `at most ${size(offer.largestTensor)} per tensor on this device`,
    remedy: remedies(request, offer).join("; or "),
    reason: tooMuch ? "out_of_memory" : "tensor_too_large",
  });
}

function fits(plan: MemoryPlan, offer: DeviceMemory): boolean {
  return (offer.bytes === undefined || plan.total <= offer.bytes) &&
    plan.largestTensor.bytes <= offer.largestTensor;
}

/** Changes that fit, the mildest first. */
function remedies(request: MemoryRequest, offer: DeviceMemory): string[] {
  const found: string[] = [];
  if (request.training && request.recompute !== true) {
    const plan = planMemory({ ...request, recompute: true });
    if (fits(plan, offer)) found.push(`recompute layers in the backward pass (needs ${size(plan.total)})`);
  }
  for (let batch = request.batch >> 1; batch >= 1; batch >>= 1) {
    const plan = planMemory({ ...request, batch });
    if (!fits(plan, offer)) continue;
    found.push(`use a batch of ${batch} (needs ${size(plan.total)})`);
    break;
  }
  if (request.backend === "webgpu") {
    for (const weights of ["float16", "int8", "int4"] as const) {
      const plan = planMemory({ ...request, weights });
      if (plan.weights >= planMemory(request).weights || !fits(plan, offer)) continue;
      found.push(`store the weights as ${weights} (needs ${size(plan.total)})`);
      break;
    }
  }
  for (let tokens = request.tokens >> 1; found.length === 0 && tokens >= 16; tokens >>= 1) {
    const plan = planMemory({ ...request, batch: 1, tokens });
    if (fits(plan, offer)) found.push(`use a batch of 1 with ${tokens} tokens (needs ${size(plan.total)})`);
  }
  return [...found, "use a device with more memory or another --backend"];
}

function weightBytes({ config, weights, backend }: MemoryRequest): number {
  const form = backend === "webgpu" ? weights : "float32";
  const linears = Object.values(linearShapes(config));
  const layer = linears.reduce((sum, [input, output]) => sum + packedBytes(form, output, input), 0);
  const table = packedBytes(form, config.vocabSize, config.hiddenSize);
  const biased = config.attentionBias === "none" ? 0 : (config.heads + 2 * config.kvHeads) * config.headDim +
    (config.attentionBias === "all" ? config.hiddenSize : 0);
  const vectors = config.layers * (2 * config.hiddenSize + biased) + config.hiddenSize;
  return config.layers * layer + table * (config.tiedHead ? 1 : 2) + 4 * vectors;
}

function size(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(1)} kB`;
}
