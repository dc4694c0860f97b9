import { toHex } from "./_bytes.ts";

/**
 * Where a site keeps the upload messages of a frozen masked vector, so that a retry after a crash sends the very same
 * bytes. The vector is masked: these bytes reveal nothing to somebody who does not hold the masks.
 */
export interface FrozenVectorStore {
  /** Stores all messages durably; must not come back before they are. Called once per session. */
  save(sid: string, messages: Iterable<Uint8Array>): void | Promise<void>;
  /** The stored messages, or undefined if this session was never frozen here. */
  load(sid: string): Iterable<Uint8Array> | undefined;
}

/** The name of a session in a {@link FrozenVectorStore}: the session id in hexadecimal. */
export function sessionName(sid: Uint8Array): string {
  return toHex(sid);
}

/**
 * The upload of a session after a crash: byte-identical to what was frozen. Without a stored vector the answer is
 * undefined, and that session must be given up for ever: a second vector under the same masks would reveal the
 * difference of both.
 */
export function resumeUpload(store: FrozenVectorStore, sid: Uint8Array): Iterable<Uint8Array> | undefined {
  return store.load(sessionName(sid));
}
