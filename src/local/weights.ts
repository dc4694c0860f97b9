import { FedKimError } from "../formats/errors.ts";
import type { LocalModelSpec, ParameterSpec } from "./spec.ts";

/** One tensor on the host. */
export interface HostTensor {
  /** Shape. */
  readonly shape: readonly number[];
  /** Values, row-major. */
  readonly data: Float32Array;
}

/** A model's numbers by stable names: `encoder.*` and `head.*`, and the frozen `stem.*`. */
export type LocalWeights = ReadonlyMap<string, HostTensor>;

/** Where a federated tensor lies in the flat vector. */
export interface FederatedParameter extends ParameterSpec {
  /** First coordinate. */
  readonly offset: number;
  /** Number of coordinates. */
  readonly size: number;
}

/** The layout of the flat vector that sites and server exchange. */
export interface FederatedParameters {
  /** Tensors in order. */
  readonly parameters: readonly FederatedParameter[];
  /** Total number of coordinates d. */
  readonly dimension: number;
}

/**
 * Number of elements of a shape.
 *
 * @param shape extents
 */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/**
 * The federated tensors of a model and their places in the flat vector.
 *
 * @param spec the model
 */
export function federatedParameters(spec: LocalModelSpec): FederatedParameters {
  let offset = 0;
  const parameters = spec.parameters.filter((parameter) => parameter.federated).map((parameter) => {
    const size = sizeOf(parameter.shape);
    const placed = { ...parameter, offset, size };
    offset += size;
    return placed;
  });
  return { parameters, dimension: offset };
}

/**
 * The federated tensors as one vector.
 *
 * @param spec the model
 * @param weights its numbers
 * @returns a vector of `federatedParameters(spec).dimension` coordinates
 */
export function flatten(spec: LocalModelSpec, weights: LocalWeights): Float64Array {
  const { parameters, dimension } = federatedParameters(spec);
  const flat = new Float64Array(dimension);
  for (const { name, offset } of parameters) flat.set(tensorOf(weights, name).data, offset);
  return flat;
}

/**
 * New weights with the federated tensors taken from a vector; frozen tensors are shared with `weights`.
 *
 * @param spec the model
 * @param weights gives the frozen tensors
 * @param flat a vector in the layout of {@link federatedParameters}
 * @throws FedKimError `ModelError` when the vector has another length or is not finite
 */
export function unflatten(spec: LocalModelSpec, weights: LocalWeights, flat: Float64Array): LocalWeights {
  const { parameters, dimension } = federatedParameters(spec);
  if (flat.length !== dimension || !flat.every(Number.isFinite)) {
    throw new FedKimError("ModelError", "A parameter vector does not fit the model.", {
      found: flat.length === dimension ? "coordinates that are not finite" : `${flat.length} coordinates`,
      needed: `${dimension} finite coordinates`,
    });
  }
  const out = new Map(weights);
  for (const { name, shape, offset, size } of parameters) {
    out.set(name, { shape, data: Float32Array.from(flat.subarray(offset, offset + size)) });
  }
  return out;
}

/**
 * One tensor by name.
 *
 * @param weights a model's numbers
 * @param name its stable name
 * @throws FedKimError `ModelError` when it is missing
 */
export function tensorOf(weights: LocalWeights, name: string): HostTensor {
  const tensor = weights.get(name);
  if (tensor === undefined) throw new FedKimError("ModelError", `The weights lack the tensor ${name}.`);
  return tensor;
}

/**
 * Checks that weights have every tensor of a model, in the right shape and finite.
 *
 * @param spec the model
 * @param weights numbers, for example from a file
 * @throws FedKimError `ModelError` naming the first tensor that is missing, misshapen or not finite
 */
export function checkWeights(spec: LocalModelSpec, weights: LocalWeights): void {
  for (const { name, shape } of spec.parameters) {
    const tensor = tensorOf(weights, name);
    const fits = tensor.shape.length === shape.length &&
      tensor.shape.every((extent, axis) => extent === shape[axis]);
    if (!fits || tensor.data.length !== sizeOf(shape) || !tensor.data.every(Number.isFinite)) {
      throw new FedKimError("ModelError", `The tensor ${name} does not fit the model.`, {
        found: fits ? "values that are not finite or too few" : `shape [${tensor.shape.join(", ")}]`,
        needed: `finite values of shape [${shape.join(", ")}]`,
      });
    }
  }
}
