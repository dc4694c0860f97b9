import { type Linear, LINEAR_NAMES, type LinearAdapter, type LinearName } from "../foundation/mod.ts";
import { lowRankLinear, tf } from "../tensor/mod.ts";

/** The experts beside one linear layer, side by side. */
export interface ExpertPair {
  /** All lora_A, `[in, E*r]`. */
  readonly down: tf.Tensor2D;
  /** All lora_B, `[E*r, out]`. */
  readonly up: tf.Tensor2D;
}

/** Finds the experts of a linear layer; undefined where it has none. */
export type ExpertLookup = (layer: number, name: LinearName) => ExpertPair | undefined;

/**
 * Weight of every rank-one term: alpha of its expert times lora_alpha / r.
 *
 * @param alpha `[B, E]`
 * @param r rank of each expert
 * @param scaling lora_alpha / r
 * @returns `[B, E*r]`
 */
export function expertScale(alpha: tf.Tensor2D, r: number, scaling: number): tf.Tensor2D {
  return tf.tidy(() => {
    const experts = alpha.shape[1];
    const spread = new Float32Array(experts * experts * r);
    for (let expert = 0; expert < experts; expert++) {
      spread.fill(scaling, expert * experts * r + expert * r, expert * experts * r + (expert + 1) * r);
    }
    return tf.matMul(alpha, tf.tensor2d(spread, [experts, experts * r]));
  });
}

/**
 * The M3OE layer at every adapted linear: y = W x + (lora_alpha / r) sum_e alpha_e B_e A_e x, with one alpha per
 * sample shared by all layers, in the concatenated form y = W x + ((x A_cat) * scale) B_cat.
 *
 * @param lookup the experts
 * @param scale `[1, E*r]` for the whole batch, or `[B, E*r]` with one row per sample
 * @returns an adapter for the decoder
 */
export function expertAdapter(lookup: ExpertLookup, scale: tf.Tensor2D): LinearAdapter {
  return {
    project(layer: number, name: LinearName, x: tf.Tensor2D, base: Linear): tf.Tensor2D | undefined {
      const pair = lookup(layer, name);
      if (pair === undefined) return undefined;
      return lowRankLinear(x, base.weight, base.bias, { ...pair, scale: rowsOf(scale, x.shape[0]) });
    },
    rebinding: {
      tensors: (layer) => [scale, ...adapted(lookup, layer).flatMap(({ pair: { down, up } }) => [down, up])],
      bind: (layer, [otherScale, ...matrices]) => {
        const pairs = new Map(
          adapted(lookup, layer).map(({ name }, i) => [
            name,
            { down: matrices[2 * i] as tf.Tensor2D, up: matrices[2 * i + 1] as tf.Tensor2D },
          ]),
        );
        return expertAdapter((_, name) => pairs.get(name), otherScale as tf.Tensor2D);
      },
    },
  };
}

/** The adapted linear layers of one decoder layer. */
function adapted(lookup: ExpertLookup, layer: number): { name: LinearName; pair: ExpertPair }[] {
  return LINEAR_NAMES.flatMap((name) => {
    const pair = lookup(layer, name);
    return pair === undefined ? [] : [{ name, pair }];
  });
}

/** Repeats a sample's row for each of its tokens. */
function rowsOf(scale: tf.Tensor2D, rows: number): tf.Tensor2D {
  const [batch, width] = scale.shape;
  if (batch === 1 || batch === rows) return scale;
  return scale.reshape([batch, 1, width]).tile([1, rows / batch, 1]).reshape([rows, width]);
}

/**
 * Experts in the layout of files, lora_A `[E, r, in]` and lora_B `[E, out, r]`, as side-by-side matrices.
 *
 * @param loraA `[E, r, in]`
 * @param loraB `[E, out, r]`
 * @returns `[in, E*r]` and `[E*r, out]`
 */
export function concatenateExperts(loraA: tf.Tensor3D, loraB: tf.Tensor3D): ExpertPair {
  return tf.tidy(() => {
    const [experts, r, input] = loraA.shape;
    const output = loraB.shape[1];
    return {
      down: loraA.reshape([experts * r, input]).transpose() as tf.Tensor2D,
      up: loraB.transpose([0, 2, 1]).reshape([experts * r, output]) as tf.Tensor2D,
    };
  });
}

/**
 * The inverse of {@link concatenateExperts}.
 *
 * @param pair side-by-side matrices
 * @param experts number of experts
 * @returns lora_A `[E, r, in]` and lora_B `[E, out, r]`
 */
export function separateExperts(
  { down, up }: ExpertPair,
  experts: number,
): { loraA: tf.Tensor3D; loraB: tf.Tensor3D } {
  return tf.tidy(() => {
    const [input, rank] = down.shape;
    return {
      loraA: down.transpose().reshape([experts, rank / experts, input]) as tf.Tensor3D,
      loraB: up.reshape([experts, rank / experts, up.shape[1]]).transpose([0, 2, 1]) as tf.Tensor3D,
    };
  });
}
