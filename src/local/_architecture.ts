import type { EncoderSpec, HeadSpec } from "./spec.ts";

/** One layer with parameters; everything else in the model is arithmetic without any. */
export interface LayerShape {
  /** Stable name; parameters append their own part. */
  readonly name: string;
  /**
   * `dense` is x W + b. `embedding` is a dense layer on one-hot rows, without bias. `scale` is the gain and
   * shift of a normalisation, elementwise.
   */
  readonly kind: "dense" | "embedding" | "scale";
  /** Rows per record: 1, or one per token. */
  readonly rows: number;
  /** Width of an input row. */
  readonly inputs: number;
  /** Width of an output row. */
  readonly outputs: number;
  /** Whether a dense layer has a bias. */
  readonly bias: boolean;
}

/** A parameter before it is known whether it is federated. */
export interface ParameterShape {
  /** Stable name. */
  readonly name: string;
  /** Shape. */
  readonly shape: readonly number[];
}

/** The layers of an encoder, in the order of the forward pass. */
export function encoderLayers(encoder: EncoderSpec, dEnc: number): LayerShape[] {
  const { modality, tokens, hidden, attention, views } = encoder;
  const prefix = `encoder.${modality}`;
  if (attention === undefined) {
    const width = tokens * dEnc;
    return [
      dense(`${prefix}.down`, 1, width, hidden),
      { ...dense(`${prefix}.up`, 1, hidden, width), bias: false },
    ];
  }
  const layers: LayerShape[] = [
    dense(`${prefix}.patch`, tokens, views[0].features, dEnc),
    { ...dense(`${prefix}.position`, tokens, tokens, dEnc), kind: "embedding", bias: false },
  ];
  for (let block = 1; block <= attention.blocks; block++) {
    const inside = `${prefix}.block${block}`;
    layers.push(
      scale(`${inside}.norm1`, tokens, dEnc),
      dense(`${inside}.qkv`, tokens, dEnc, 3 * dEnc),
      dense(`${inside}.out`, tokens, dEnc, dEnc),
      scale(`${inside}.norm2`, tokens, dEnc),
      dense(`${inside}.down`, tokens, dEnc, hidden),
      dense(`${inside}.up`, tokens, hidden, dEnc),
    );
  }
  return layers;
}

/** The one layer of a head. */
export function headLayer({ task, outputs }: HeadSpec, dEnc: number): LayerShape {
  return dense(`head.${task}`, 1, dEnc, outputs);
}

/** The parameters of a layer. */
export function layerParameters({ name, kind, inputs, outputs, bias }: LayerShape): ParameterShape[] {
  switch (kind) {
    case "scale":
      return [{ name: `${name}.scale`, shape: [outputs] }, { name: `${name}.shift`, shape: [outputs] }];
    case "embedding":
      return [{ name: `${name}.table`, shape: [inputs, outputs] }];
    case "dense": {
      const weight = { name: `${name}.weight`, shape: [inputs, outputs] };
      return bias ? [weight, { name: `${name}.bias`, shape: [outputs] }] : [weight];
    }
  }
}

function dense(name: string, rows: number, inputs: number, outputs: number): LayerShape {
  return { name, kind: "dense", rows, inputs, outputs, bias: true };
}

function scale(name: string, rows: number, width: number): LayerShape {
  return { name, kind: "scale", rows, inputs: width, outputs: width, bias: true };
}
