import { FedKimError } from "../../formats/errors.ts";
import { checkDelta, checkEpsilon } from "./_arguments.ts";

/**
 * Guarantee for a group of `size` units of an (epsilon, delta)-DP release, when nothing else is known about
 * it: (k eps, delta (e^{k eps} - 1) / (e^eps - 1)). Source: Vadhan 2017, Lemma 2.2.
 */
export function groupPrivacy(
  epsilon: number,
  delta: number,
  size: number,
): { readonly epsilon: number; readonly delta: number } {
  checkEpsilon(epsilon);
  if (delta !== 0) checkDelta(delta);
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new FedKimError("ConfigError", "The group size is not valid.", {
      found: `size = ${size}`,
      needed: "an integer from 1",
    });
  }
  const factor = epsilon === 0 ? size : Math.expm1(size * epsilon) / Math.expm1(epsilon);
  return { epsilon: size * epsilon, delta: delta === 0 ? 0 : Math.min(1, delta * factor) };
}
