import type { DpEvent, Neighboring } from "../../src/dp/mod.ts";
import { FedKimError } from "../../src/formats/errors.ts";

/** All relations between neighbouring datasets. */
export const RELATIONS: readonly Neighboring[] = ["add_or_remove_one", "replace_one", "replace_special"];

/** An event so many times. */
export function times(event: DpEvent, count: number): DpEvent {
  return { type: "self_composed", event, count };
}

/** A Gaussian mechanism on a Poisson sample. */
export function sampled(q: number, sigma: number): DpEvent {
  return { type: "poisson", q, event: { type: "gaussian", sigma } };
}

/** A figure, or the code of the refusal. */
export function orRefusal(figure: () => unknown): unknown {
  try {
    return figure();
  } catch (error) {
    if (error instanceof FedKimError) return error.code;
    throw error;
  }
}
