import { encoderLayers, headLayer, type LayerShape } from "./_architecture.ts";
import type { SetModel } from "./_batch.ts";
import type { LocalModelSpec } from "./spec.ts";
import { federatedParameters } from "./weights.ts";

/** A run of coordinates [start, end) of the flat vector. */
export interface Range {
  /** First coordinate. */
  readonly start: number;
  /** One past the last coordinate. */
  readonly end: number;
}

/** A layer with at least one federated parameter, and where its parts lie in the flat vector. */
export interface PlacedLayer extends LayerShape {
  /** First coordinate of the weight, table or gain; undefined where it is not federated. */
  readonly weightOffset: number | undefined;
  /** First coordinate of the bias or shift; undefined where there is none or it is not federated. */
  readonly biasOffset: number | undefined;
  /** Its coordinates. */
  readonly ranges: readonly Range[];
}

/** The layers of a set's model that have a federated parameter. */
export function placedLayers(spec: LocalModelSpec, { encoders, heads }: SetModel): PlacedLayer[] {
  const placed = new Map(
    federatedParameters(spec).parameters.map((parameter) => [parameter.name, parameter]),
  );
  const layers = [
    ...encoders.flatMap((encoder) => encoderLayers(encoder, spec.dEnc)),
    ...heads.map((head) => headLayer(head, spec.dEnc)),
  ];
  return layers.flatMap((layer): PlacedLayer[] => {
    const weight = placed.get(`${layer.name}.${WEIGHT_PART[layer.kind]}`);
    const bias = placed.get(`${layer.name}.${layer.kind === "scale" ? "shift" : "bias"}`);
    const found = [weight, bias].filter((parameter) => parameter !== undefined);
    if (found.length === 0) return [];
    const ranges = found.map(({ offset, size }) => ({ start: offset, end: offset + size }));
    return [{ ...layer, weightOffset: weight?.offset, biasOffset: bias?.offset, ranges }];
  });
}

const WEIGHT_PART: Readonly<Record<LayerShape["kind"], string>> = {
  dense: "weight",
  embedding: "table",
  scale: "scale",
};
