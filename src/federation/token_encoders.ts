import {
  encodeStem,
  federatedEncoderWeights,
  type LocalModelSpec,
  type LocalWeights,
  stemInputWidth,
} from "../local/mod.ts";
import type { TokenEncoder } from "../m3oe/mod.ts";

/**
 * The local model's encoders as the injection can train them on public data (paper, steps 1 to 3): their federated upper
 * layers, on frozen stems. Samples then carry stem outputs (`stemInput`) instead of tokens.
 *
 * @param modalities which encoders; all by default
 */
export function tokenEncoders(
  spec: LocalModelSpec,
  weights: LocalWeights,
  modalities: readonly string[] = spec.encoders.map(({ modality }) => modality),
): TokenEncoder[] {
  return spec.encoders.filter(({ modality }) => modalities.includes(modality)).map((encoder) => ({
    modality: encoder.modality,
    inputWidth: stemInputWidth(spec, encoder),
    tokens: encoder.tokens,
    dEnc: spec.dEnc,
    weights: federatedEncoderWeights(spec, weights, encoder),
    encode: (parameter, input) => encodeStem(spec, encoder, input, parameter),
  }));
}
