/** Anything that owns memory outside the JavaScript heap. */
export interface Disposable {
  /** Frees it; calling again is harmless. */
  dispose(): void;
}

/**
 * Owns tensors across `await`, where `tf.tidy` cannot: everything given to {@link TensorScope.own} is freed
 * when the scope is disposed or leaves its `using` block.
 */
export class TensorScope implements Disposable {
  readonly #owned = new Set<Disposable>();

  /**
   * Takes ownership.
   *
   * @param item a tensor or other disposable
   * @returns the same item
   */
  own<T extends Disposable>(item: T): T {
    this.#owned.add(item);
    return item;
  }

  /**
   * Gives ownership back to the caller.
   *
   * @param item an owned item
   * @returns the same item
   */
  release<T extends Disposable>(item: T): T {
    this.#owned.delete(item);
    return item;
  }

  /** Frees everything still owned. */
  dispose(): void {
    for (const item of this.#owned) item.dispose();
    this.#owned.clear();
  }

  /** Frees everything still owned at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Frees several tensors or other disposables; `undefined` entries are skipped.
 *
 * @param items tensors, variables, packed matrices or undefined
 */
export function disposeAll(items: Iterable<Disposable | undefined>): void {
  for (const item of items) item?.dispose();
}
