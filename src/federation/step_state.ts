import { z } from "zod";
import { FedKimError } from "../formats/errors.ts";
import type { ServerOptimizerState } from "./server_optimizer.ts";

/** Everything that the next step needs of the steps before, kept as one document. */
export interface StepState {
  /** Steps that are over, aborted ones too. */
  readonly round: number;
  /** Aborted steps at the end of them. */
  readonly abortsInARow: number;
  /** Federated parameters `[d]`. */
  readonly flat: Float64Array;
  /** What the server optimizer carries. */
  readonly optimizer: ServerOptimizerState;
  /** Best mean AUROC on public validation so far, and after which step. */
  readonly best: { readonly round: number; readonly mean: number } | undefined;
}

const count = z.number().int().min(0);
const HeadSchema = z.object({
  round: count,
  abortsInARow: count,
  best: z.object({ round: count, mean: z.number() }).optional(),
  d: count,
  optimizerStep: count,
  // Vectors of the server optimizer; a head that names none was written by the one that had two.
  memory: count.max(8).default(2),
});

/** The state as bytes: a JSON head, then parameters and the strategy's memory as little-endian float64. */
export function encodeStepState({ flat, optimizer, ...head }: StepState): Uint8Array {
  const text = new TextEncoder().encode(
    JSON.stringify({
      ...head,
      d: flat.length,
      optimizerStep: optimizer.step,
      memory: optimizer.memory.length,
    }),
  );
  const bytes = new Uint8Array(4 + text.length + 8 * (1 + optimizer.memory.length) * flat.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, text.length, true);
  bytes.set(text, 4);
  let at = 4 + text.length;
  for (const values of [flat, ...optimizer.memory]) {
    for (const value of values) {
      view.setFloat64(at, value, true);
      at += 8;
    }
  }
  return bytes;
}

/** Reads {@link encodeStepState}'s bytes. @throws FedKimError `StoreError`, reason `damaged` */
export function decodeStepState(bytes: Uint8Array): StepState {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = view.getUint32(0, true);
    const { d, optimizerStep, memory, round, abortsInARow, best } = HeadSchema.parse(
      JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))),
    );
    if (bytes.length !== 4 + length + 8 * (1 + memory) * d) {
      throw new RangeError(`${bytes.length} bytes for d = ${d}`);
    }
    const vector = (part: number) =>
      Float64Array.from({ length: d }, (_, i) => view.getFloat64(4 + length + 8 * (part * d + i), true));
    return {
      round,
      abortsInARow,
      best,
      flat: vector(0),
      optimizer: {
        step: optimizerStep,
        dimension: d,
        memory: Array.from({ length: memory }, (_, part) => vector(part + 1)),
      },
    };
  } catch (cause) {
    throw new FedKimError("StoreError", "The state of the run cannot be read.", {
      reason: "damaged",
      found: cause instanceof Error ? cause.message : String(cause),
      remedy: "restore the aggregator's store from a backup",
      cause,
    });
  }
}
