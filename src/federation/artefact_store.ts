import { FedKimError } from "../formats/errors.ts";
import { sha256Hex } from "../formats/canonical_json.ts";

/** Content-addressed blobs (model weights, embedding table) that sites fetch by hash and check themselves. */
export class ArtefactStore {
  #blobs = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #expected = new Set<string>();

  /** Stores bytes and returns their SHA-256 (hex), which is their address. */
  put(bytes: Uint8Array): string {
    const hash = sha256Hex(bytes);
    if (!this.#blobs.has(hash)) this.#blobs.set(hash, new Uint8Array(bytes));
    this.#expected.delete(hash);
    return hash;
  }

  /** Announces bytes that are still being made after a restart: whoever asks is told to come back. */
  expect(hash: string): void {
    if (!this.#blobs.has(hash)) this.#expected.add(hash);
  }

  /**
   * The bytes at an address.
   * @throws FedKimError `ArtefactGone` where nothing has that hash, `NetworkError` where it will be there soon
   */
  get(hash: string): Uint8Array<ArrayBuffer> {
    const blob = this.#blobs.get(hash);
    if (blob !== undefined) return blob;
    if (this.#expected.has(hash)) {
      throw new FedKimError("NetworkError", "The artefact is being prepared.", {
        reason: "resuming",
        remedy: "ask again in a moment",
      });
    }
    throw new FedKimError("ArtefactGone", "No artefact has this hash any more.", {
      found: hash.slice(0, 64),
    });
  }

  /** Drops a blob that no site needs any more, e.g. the weights of two steps ago. */
  delete(hash: string): void {
    this.#blobs.delete(hash);
  }
}
