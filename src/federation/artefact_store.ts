import { FedKimError } from "../formats/errors.ts";
import { sha256Hex } from "../formats/canonical_json.ts";

/** Content-addressed blobs (model weights, embedding table) that sites fetch by hash and check themselves. */
export class ArtefactStore {
  #blobs = new Map<string, Uint8Array<ArrayBuffer>>();

  /** Stores bytes and returns their SHA-256 (hex), which is their address. */
  put(bytes: Uint8Array): string {
    const hash = sha256Hex(bytes);
    if (!this.#blobs.has(hash)) this.#blobs.set(hash, new Uint8Array(bytes));
    return hash;
  }

  /** The bytes at an address. @throws FedKimError `ArtefactGone` where nothing has that hash */
  get(hash: string): Uint8Array<ArrayBuffer> {
    const blob = this.#blobs.get(hash);
    if (blob === undefined) {
      throw new FedKimError("ArtefactGone", "No artefact has this hash any more.", {
        found: hash.slice(0, 64),
      });
    }
    return blob;
  }

  /** Drops a blob that no site needs any more, e.g. the weights of two steps ago. */
  delete(hash: string): void {
    this.#blobs.delete(hash);
  }
}
