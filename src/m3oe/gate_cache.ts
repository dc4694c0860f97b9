import { readFloat32, tf } from "../tensor/mod.ts";
import type { TaskText } from "./samples.ts";

/** Gate weights that were computed once, and from which state of the gate. */
interface Entry {
  readonly alpha: readonly number[];
  readonly state: readonly object[];
}

/**
 * Gate weights by (task, modality) text. The gate reads nothing else, so one computation serves all samples of a
 * task. An entry holds until one of the gate's tensors is assigned anew.
 */
export class GateCache {
  readonly #variables: readonly tf.Variable[];
  readonly #entries = new Map<string, Entry>();

  /**
   * Makes an empty cache.
   *
   * @param variables everything the gate weights depend on beside the texts
   */
  constructor(variables: readonly tf.Variable[]) {
    this.#variables = variables;
  }

  /**
   * The gate weights of a task.
   *
   * @param task its texts
   * @param compute the gate, `[1, E]`
   * @returns E weights that sum to 1
   */
  async weights(task: TaskText, compute: () => tf.Tensor2D): Promise<readonly number[]> {
    const key = JSON.stringify([task.modalityDescription, task.description]);
    const known = this.#entries.get(key);
    // Assigning a variable gives it other data: comparing their identities needs no event.
    const state = this.#variables.map(({ dataId }) => dataId);
    if (known !== undefined && state.every((dataId, index) => dataId === known.state[index])) {
      return known.alpha;
    }
    const tensor = tf.tidy(compute);
    const alpha = [...await readFloat32(tensor)];
    tensor.dispose();
    this.#entries.set(key, { alpha, state });
    return alpha;
  }
}
