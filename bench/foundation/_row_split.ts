import { readFloat32, selectBackend, tf } from "../../src/tensor/mod.ts";

/** What a worker is told: first the matrix that stays with it, then the rows to multiply. */
export type RowSplitMessage =
  | { readonly type: "matrix"; readonly values: Float32Array; readonly shape: [number, number] }
  | { readonly type: "rows"; readonly values: Float32Array; readonly count: number };

/** Products of rows with a matrix by several workers, each with a WASM backend of its own. */
export class RowSplit {
  readonly #workers: readonly Worker[];

  private constructor(workers: readonly Worker[]) {
    this.#workers = workers;
  }

  /** Starts workers and gives each a copy of the matrix, as frozen weights would have. */
  static async start(workers: number, values: Float32Array, shape: [number, number]): Promise<RowSplit> {
    const started = Array.from(
      { length: workers },
      () => new Worker(new URL("./_row_split_worker.ts", import.meta.url), { type: "module" }),
    );
    await Promise.all(started.map((worker) => ask(worker, { type: "matrix", values, shape })));
    return new RowSplit(started);
  }

  /** Multiplies rows `[count, depth]` with the matrix; parts travel to the workers and back. */
  async multiply(rows: Float32Array, count: number): Promise<Float32Array> {
    const depth = rows.length / count;
    const share = Math.ceil(count / this.#workers.length);
    const parts = await Promise.all(this.#workers.map((worker, index) => {
      const first = index * share;
      const own = Math.min(share, count - first);
      return ask(worker, {
        type: "rows",
        values: rows.slice(first * depth, (first + own) * depth),
        count: own,
      });
    }));
    const result = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      result.set(part, at);
      at += part.length;
    }
    return result;
  }

  /** Ends the workers. */
  stop(): void {
    for (const worker of this.#workers) worker.terminate();
  }
}

function ask(worker: Worker, message: RowSplitMessage): Promise<Float32Array> {
  return new Promise((resolve) => {
    worker.onmessage = (event: MessageEvent<Float32Array>) => resolve(event.data);
    worker.postMessage(message, message.type === "rows" ? [message.values.buffer as ArrayBuffer] : []);
  });
}

/** The same product on this thread's backend, operands on its heap already; result read back. */
export async function multiplyHere(rows: tf.Tensor2D, matrix: tf.Tensor2D): Promise<Float32Array> {
  const product = tf.matMul(rows, matrix);
  const values = (await readFloat32(product)).slice();
  product.dispose();
  return values;
}

/** Serves a worker's side. */
export function serveRows(scope: {
  onmessage: ((event: MessageEvent<RowSplitMessage>) => void) | null;
  postMessage: (values: Float32Array, transfer: Transferable[]) => void;
}): void {
  let matrix: tf.Tensor2D | undefined;
  scope.onmessage = async ({ data }) => {
    if (data.type === "matrix") {
      await selectBackend("wasm");
      matrix = tf.tensor2d(data.values, data.shape);
      return scope.postMessage(new Float32Array(0), []);
    }
    const depth = data.values.length / data.count;
    const rows = tf.tensor2d(data.values, [data.count, depth]);
    const values = await multiplyHere(rows, matrix as tf.Tensor2D);
    rows.dispose();
    scope.postMessage(values, [values.buffer as ArrayBuffer]);
  };
}
