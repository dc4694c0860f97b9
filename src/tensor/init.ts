import { tf } from "./_tf.ts";

/** A source of reproducible random numbers; `SeededRandom` is one. */
export interface RandomSource {
  /** Uniform in [0, 1). */
  next(): number;
  /** Standard normal. */
  normal(): number;
}

/**
 * Host values from N(0, deviation^2).
 *
 * @param size number of values
 * @param deviation standard deviation
 * @param random seeded source
 * @returns the values
 */
export function normalValues(size: number, deviation: number, random: RandomSource): Float32Array {
  return Float32Array.from({ length: size }, () => deviation * random.normal());
}

/**
 * Host values from the uniform distribution on (-limit, limit).
 *
 * @param size number of values
 * @param limit half the width
 * @param random seeded source
 * @returns the values
 */
export function uniformValues(size: number, limit: number, random: RandomSource): Float32Array {
  return Float32Array.from({ length: size }, () => limit * (2 * random.next() - 1));
}

/**
 * Glorot and Bengio's (2010) uniform initialisation, for layers followed by tanh, softmax or nothing.
 *
 * @param shape `[..., fanIn, fanOut]`
 * @param random seeded source
 * @returns a tensor of that shape
 */
export function glorotUniform(shape: readonly number[], random: RandomSource): tf.Tensor {
  const [fanIn, fanOut] = shape.slice(-2);
  const limit = Math.sqrt(6 / (fanIn + fanOut));
  return tf.tensor(uniformValues(sizeOf(shape), limit, random), [...shape]);
}

/**
 * He et al.'s (2015) normal initialisation, for layers followed by ReLU or GELU.
 *
 * @param shape `[..., fanIn, fanOut]`
 * @param random seeded source
 * @returns a tensor of that shape
 */
export function heNormal(shape: readonly number[], random: RandomSource): tf.Tensor {
  const deviation = Math.sqrt(2 / shape[shape.length - 2]);
  return tf.tensor(normalValues(sizeOf(shape), deviation, random), [...shape]);
}

/**
 * N(0, deviation^2) initialisation, for embeddings and tokens.
 *
 * @param shape any shape
 * @param deviation standard deviation
 * @param random seeded source
 * @returns a tensor of that shape
 */
export function normalInit(shape: readonly number[], deviation: number, random: RandomSource): tf.Tensor {
  return tf.tensor(normalValues(sizeOf(shape), deviation, random), [...shape]);
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}
