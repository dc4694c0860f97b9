import type { RotaryTable } from "../tensor/mod.ts";
import { tf } from "../tensor/mod.ts";
import type { DecoderConfig } from "./config.ts";

/**
 * Rotary frequencies, one for each pair of elements in a head, with the configured stretching
 * (linear: Chen et al. 2023; llama3: wavelength-dependent interpolation of Llama 3.1).
 *
 * @param config the decoder's configuration
 * @returns `headDim / 2` angular frequencies in radians per position
 */
export function rotaryFrequencies(config: DecoderConfig): Float64Array {
  const { headDim, ropeTheta, ropeScaling } = config;
  const plain = Float64Array.from({ length: headDim / 2 }, (_, i) => ropeTheta ** (-2 * i / headDim));
  switch (ropeScaling.type) {
    case "default":
      return plain;
    case "linear":
      return plain.map((frequency) => frequency / ropeScaling.factor);
    case "factors":
      return plain.map((frequency, i) => frequency / ropeScaling.factors[i]);
    case "llama3": {
      const { factor, lowFreqFactor, highFreqFactor, originalMaxPosition } = ropeScaling;
      return plain.map((frequency) => {
        const turns = originalMaxPosition * frequency / (2 * Math.PI);
        const share = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
        const keep = Math.min(1, Math.max(0, share));
        return keep * frequency + (1 - keep) * frequency / factor;
      });
    }
  }
}

/**
 * Cosine and sine rows for some positions.
 *
 * @param config the decoder's configuration
 * @param positions one position per row
 * @returns tables `[positions.length, headDim / 2]`; the caller disposes them
 */
export function rotaryTable(config: DecoderConfig, positions: ArrayLike<number>): RotaryTable {
  const frequencies = rotaryFrequencies(config);
  const shape: [number, number] = [positions.length, frequencies.length];
  const cos = new Float32Array(shape[0] * shape[1]);
  const sin = new Float32Array(cos.length);
  for (let row = 0; row < shape[0]; row++) {
    for (let i = 0; i < shape[1]; i++) {
      const angle = positions[row] * frequencies[i];
      cos[row * shape[1] + i] = Math.cos(angle);
      sin[row * shape[1] + i] = Math.sin(angle);
    }
  }
  return { cos: tf.tensor2d(cos, shape), sin: tf.tensor2d(sin, shape) };
}
