import { tf } from "../tensor/mod.ts";

/** A WebGPU shader sees eight buffers at most, one of them the result. */
const MOST_INPUTS = 6;

/** Concatenation of any number of tensors, in groups that every backend can take. */
export function concatAll<T extends tf.Tensor>(parts: readonly T[], axis: number): T {
  return inGroups(parts, (group) => tf.concat(group, axis));
}

/** Sum of any number of tensors of one shape, in groups that every backend can take. */
export function addAll<T extends tf.Tensor>(parts: readonly T[]): T {
  return inGroups(parts, (group) => tf.addN(group));
}

function inGroups<T extends tf.Tensor>(parts: readonly T[], join: (group: T[]) => T): T {
  let rest = [...parts];
  while (rest.length > 1) {
    rest = Array.from(
      { length: Math.ceil(rest.length / MOST_INPUTS) },
      (_, index) => join(rest.slice(index * MOST_INPUTS, (index + 1) * MOST_INPUTS)),
    );
  }
  return rest[0];
}
