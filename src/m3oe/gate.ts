import { glorotUniform, type RandomSource, tf } from "../tensor/mod.ts";

/** A linear layer of the gate in the layout of PyTorch: weight `[out, in]`, bias `[out]`. */
export interface GateLinear {
  /** `[out, in]`. */
  readonly weight: tf.Tensor2D;
  /** `[out]`. */
  readonly bias: tf.Tensor;
}

/** The gate's parameters. */
export interface GateWeights {
  /** Query projection, applied to modality tokens. */
  readonly q: GateLinear;
  /** Key projection, applied to task tokens. */
  readonly k: GateLinear;
  /** Value projection, applied to task tokens. */
  readonly v: GateLinear;
  /** From the pooled attention to one logit per expert. */
  readonly out: GateLinear;
}

/** Embedded texts, padded to equal length. */
export interface EmbeddedText {
  /** Frozen input embeddings, `[B, L, H]`. */
  readonly tokens: tf.Tensor3D;
  /** `[B, L]`, 1 for tokens and 0 for padding; absent without padding. */
  readonly mask?: tf.Tensor2D;
}

/** The names of the gate's layers, as in parameter names. */
export const GATE_LAYERS: Readonly<Record<keyof GateWeights, string>> = {
  q: "gate.q_proj",
  k: "gate.k_proj",
  v: "gate.v_proj",
  out: "gate.out",
};

/** Large enough to vanish in a softmax, small enough to stay finite. */
const MASKED = -1e9;

/**
 * Expert weights alpha (Wang et al. 2024, "M3OE gate"): scaled dot-product cross-attention of the modality
 * description (query) on the task description (key and value), mean over the modality's tokens, one linear layer,
 * softmax over experts. Padded tokens have no influence.
 *
 * @param gate parameters
 * @param modality embedded modality description
 * @param task embedded task description
 * @param temperature divides the logits; 1 in the paper
 * @returns `[B, E]`, rows sum to 1
 */
export function gateWeights(
  gate: GateWeights,
  modality: EmbeddedText,
  task: EmbeddedText,
  temperature: number = 1,
): tf.Tensor2D {
  return tf.tidy(() => {
    const query = applyLinear(modality.tokens, gate.q);
    const key = applyLinear(task.tokens, gate.k);
    const value = applyLinear(task.tokens, gate.v);
    const [batch, queries, width] = query.shape;
    let scores = tf.matMul(query, key, false, true).mul(1 / Math.sqrt(width));
    if (task.mask !== undefined) scores = scores.add(tf.sub(1, task.mask).mul(MASKED).expandDims(1));
    const attended = tf.matMul(scores.softmax(), value);
    const weights = modality.mask === undefined
      ? tf.fill([batch, queries], 1 / queries)
      : modality.mask.div(modality.mask.sum(1, true));
    const pooled = attended.mul(weights.expandDims(2)).sum<tf.Tensor2D>(1);
    const logits = tf.matMul(pooled, gate.out.weight, false, true).add<tf.Tensor2D>(gate.out.bias);
    return (temperature === 1 ? logits : logits.mul<tf.Tensor2D>(1 / temperature)).softmax();
  });
}

/**
 * Initial gate parameters: Glorot-uniform projections, zero biases, so that alpha is close to uniform.
 *
 * @param hidden width H of the text embeddings
 * @param experts number of experts
 * @param random seeded source
 * @returns tensors by layer
 */
export function initGate(hidden: number, experts: number, random: RandomSource): GateWeights {
  const layer = (output: number): GateLinear => ({
    weight: glorotUniform([output, hidden], random) as tf.Tensor2D,
    bias: tf.zeros([output]),
  });
  return { q: layer(hidden), k: layer(hidden), v: layer(hidden), out: layer(experts) };
}

function applyLinear(x: tf.Tensor3D, { weight, bias }: GateLinear): tf.Tensor3D {
  const [batch, length, width] = x.shape;
  return tf.matMul(x.reshape([batch * length, width]), weight, false, true).add(bias)
    .reshape([batch, length, weight.shape[0]]) as tf.Tensor3D;
}
