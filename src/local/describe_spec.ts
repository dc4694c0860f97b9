import { encoderLayers, headLayer, layerParameters } from "./_architecture.ts";
import type { LocalModelSpec } from "./spec.ts";
import { sizeOf } from "./weights.ts";

/** One learned layer of a model. */
export interface LayerDescription {
  /** Stable name. */
  readonly layer: string;
  /** `dense` x W + b, `embedding` a table of rows, `scale` the gain and shift of a normalisation. */
  readonly kind: "dense" | "embedding" | "scale";
  /** How often it is applied to a record: once, or once per token. */
  readonly rows: number;
  /** Width of its input. */
  readonly inputs: number;
  /** Width of its output. */
  readonly outputs: number;
  /** Number of parameters. */
  readonly parameters: number;
  /** How many of them sites train and share. */
  readonly federated: number;
}

/** What a model consists of, for a plan's reader. */
export interface SpecDescription {
  /** Learned layers in the order of the forward pass. */
  readonly layers: readonly LayerDescription[];
  /** Learned parameters. */
  readonly parameters: number;
  /** Federated parameters d: the length of what a site shares. */
  readonly federated: number;
  /**
   * Length of the noise per unit of its standard deviation, sqrt(d): a clipped gradient is at most 1 long, so
   * doubling d costs as much as half the square root of the records.
   */
  readonly noiseLength: number;
}

/**
 * Lists a model's layers and which of them are federated.
 *
 * @param spec the model
 */
export function describeSpec(spec: LocalModelSpec): SpecDescription {
  const federated = new Set(spec.parameters.filter((item) => item.federated).map(({ name }) => name));
  const shapes = [
    ...spec.encoders.flatMap((encoder) => encoderLayers(encoder, spec.dEnc)),
    ...spec.heads.map((head) => headLayer(head, spec.dEnc)),
  ];
  const layers = shapes.map((layer): LayerDescription => {
    const { name, kind, rows, inputs, outputs } = layer;
    const sizes = layerParameters(layer).map(({ name, shape }) => {
      return { size: sizeOf(shape), federated: federated.has(name) };
    });
    const total = (parts: typeof sizes): number => parts.reduce((sum, { size }) => sum + size, 0);
    return {
      layer: name,
      kind,
      rows,
      inputs,
      outputs,
      parameters: total(sizes),
      federated: total(sizes.filter((part) => part.federated)),
    };
  });
  const count = (part: "parameters" | "federated"): number =>
    layers.reduce((sum, layer) => sum + layer[part], 0);
  const d = count("federated");
  return { layers, parameters: count("parameters"), federated: d, noiseLength: Math.sqrt(d) };
}

/**
 * The same as a table for a terminal.
 *
 * @param spec the model
 */
export function specTable(spec: LocalModelSpec): string {
  const { layers, parameters, federated } = describeSpec(spec);
  const rows = [
    ["layer", "kind", "rows", "in x out", "parameters", "federated"],
    ...layers.map(({ layer, kind, rows, inputs, outputs, parameters, federated }) => [
      layer,
      kind,
      String(rows),
      `${inputs} x ${outputs}`,
      String(parameters),
      federated === parameters ? "all" : federated === 0 ? "no" : String(federated),
    ]),
    ["total", "", "", "", String(parameters), String(federated)],
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd())
    .join("\n");
}
