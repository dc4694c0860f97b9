import { FedKimError } from "../../formats/errors.ts";
import type { DpPlan } from "./types.ts";

type Answer = { readonly id: number; readonly ring: Uint32Array } | {
  readonly id: number;
  readonly error: string;
};

interface Waiting {
  resolve(ring: Uint32Array): void;
  reject(error: unknown): void;
}

/**
 * `encodeUpdate` on another thread, with that thread's CSPRNG: a million noise samples take a third of a
 * second, which a service must not spend on its event loop.
 */
export class OffThreadEncoder {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;

  /** Starts the thread. */
  constructor() {
    this.#worker = new Worker(new URL("./_update_worker.ts", import.meta.url), { type: "module" });
    this.#worker.onmessage = (event: MessageEvent<Answer>) => this.#settle(event.data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#failAll(event.message);
    };
  }

  /**
   * Encodes and noises one sum.
   * @param sum handed over: its buffer is empty afterwards
   * @throws FedKimError InternalError where the thread fails
   */
  encode(plan: DpPlan, sum: Float64Array<ArrayBuffer>): Promise<Uint32Array> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, plan, sum }, [sum.buffer]);
    });
  }

  /** Ends the thread; sums still waiting are rejected. */
  close(): void {
    this.#worker.terminate();
    this.#failAll("the encoder was closed");
  }

  /** Ends the thread at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("ring" in answer) waiting?.resolve(answer.ring);
    else waiting?.reject(failure(answer.error));
  }

  #failAll(reason: string): void {
    for (const waiting of this.#waiting.values()) waiting.reject(failure(reason));
    this.#waiting.clear();
  }
}

function failure(found: string): FedKimError {
  return new FedKimError(
    "InternalError",
    "The noise thread could not encode an update; nothing is released.",
    {
      found,
    },
  );
}
