/** The two secrets of a site: the seed b of its self mask, and the X25519 secret key of its pairwise masks. */
export type ShareKind = "mask_seed" | "mask_key";

/**
 * What a peer is at unmasking; it alone decides which share of the peer may be released.
 * - `absent`: did not share keys, so there is nothing to release;
 * - `survivor`: its masked vector is in the sum, so only its self mask may be removed;
 * - `dropped`: shared keys but sent no vector, so only its pairwise masks may be removed.
 */
export type PeerStatus = "absent" | "survivor" | "dropped";

/** Membership that defines a status. */
export interface Membership {
  /** True if the index is in the set. */
  has(index: number): boolean;
}

/** The status of a peer, from the sets U1 (`shared`) and U2 (`survivors`). */
export function peerStatus(index: number, shared: Membership, survivors: Membership): PeerStatus {
  if (!shared.has(index)) return "absent";
  return survivors.has(index) ? "survivor" : "dropped";
}

/** The one share kind that may be released for a peer of this status; undefined for none. */
export function releasedShareKind(status: PeerStatus): ShareKind | undefined {
  switch (status) {
    case "absent":
      return undefined;
    case "survivor":
      return "mask_seed";
    case "dropped":
      return "mask_key";
  }
}
