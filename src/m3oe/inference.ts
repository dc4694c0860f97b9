import type { Decoder, LinearAdapter } from "../foundation/mod.ts";
import { PackedMatrix, tf } from "../tensor/mod.ts";
import { expertAdapter, type ExpertLookup, type ExpertPair } from "./experts.ts";
import { checkMerged, mergedDecoder, mergeExperts } from "./merge.ts";
import type { TaskText } from "./samples.ts";

/** A decoder ready to answer one task. */
export interface TaskDecoder {
  /** The decoder to run. */
  readonly decoder: Decoder;
  /** Adapters to run it with; absent where everything is merged. */
  readonly adapter: { readonly adapter?: LinearAdapter };
  /** Frees what was made; the base stays. */
  readonly dispose: () => void;
}

/** The experts of a task with their weights. */
export interface TaskExperts {
  /** Experts of the linear layers. */
  readonly lookup: ExpertLookup;
  /** Experts of the output head. */
  readonly head: ExpertPair | undefined;
  /** Weight of every rank-one term, `[1, E*r]`; owned by the result of {@link taskDecoder}. */
  readonly scale: tf.Tensor2D;
}

/**
 * Prepares a decoder for the samples of one task: experts are merged into the weights, except where the weights are
 * packed on a GPU. Those stay packed, since merging would unpack all of them; the experts run beside them.
 *
 * @param base the frozen base
 * @param experts the task's experts
 * @param task its texts
 * @returns decoder and adapters
 * @throws FedKimError `ModelError` when a merged weight is not finite
 */
export async function taskDecoder(
  base: Decoder,
  { lookup, head, scale }: TaskExperts,
  task: TaskText,
): Promise<TaskDecoder> {
  const packed = base.weights.layers.some(({ linears }) =>
    Object.values(linears).some(({ weight }) => weight instanceof PackedMatrix)
  );
  const merged = mergeExperts(base.weights, packed ? () => undefined : lookup, scale, head);
  try {
    await checkMerged(merged, task);
  } catch (error) {
    scale.dispose();
    throw error;
  }
  return {
    decoder: mergedDecoder(base, merged, task).decoder,
    adapter: packed ? { adapter: expertAdapter(lookup, scale) } : {},
    dispose: () => {
      merged.dispose();
      scale.dispose();
    },
  };
}
