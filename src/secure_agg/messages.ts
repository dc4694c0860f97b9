import type { IndexSet } from "./index_set.ts";
import type { ShareKind } from "./peer_status.ts";

/** Fresh public keys of a client, signed by its identity together with the configuration hash. */
export interface AdvertiseKeysMessage {
  /** Discriminator. */
  readonly type: "advertise_keys";
  /** cfgHash, 32 bytes. */
  readonly configHash: Uint8Array;
  /** Who advertises. */
  readonly clientId: string;
  /** X25519 key for envelopes, 32 bytes. */
  readonly encryptionKey: Uint8Array;
  /** X25519 key for pairwise masks, 32 bytes. */
  readonly maskKey: Uint8Array;
  /** Ed25519 signature over all of the above. */
  readonly signature: Uint8Array;
}

/** One site of the roster: the whole advert for the recipient's neighbours, only its hash for others. */
export type RosterEntry =
  | {
    /** Discriminator. */
    readonly kind: "advert";
    /** The neighbour's advert; its configuration hash is the roster's. */
    readonly advert: AdvertiseKeysMessage;
  }
  | {
    /** Discriminator. */
    readonly kind: "leaf";
    /** {@link advertLeaf} of the advert, 32 bytes. */
    readonly leaf: Uint8Array;
  };

/** The fixed roster, sorted by client id. */
export interface RosterMessage {
  /** Discriminator. */
  readonly type: "roster";
  /** cfgHash, 32 bytes. */
  readonly configHash: Uint8Array;
  /** Entry i is the site with index i. */
  readonly entries: readonly RosterEntry[];
}

/** One encrypted pair of shares. */
export interface ShareCiphertext {
  /** Index of the other side: recipient in `share_keys`, dealer in `deliver_shares`. */
  readonly peer: number;
  /** ChaCha20-Poly1305 of share of b, then share of the mask key: 64 + 16 bytes. */
  readonly ciphertext: Uint8Array;
}

/** A client's encrypted shares for all its neighbours. */
export interface ShareKeysMessage {
  /** Discriminator. */
  readonly type: "share_keys";
  /** Session id, 32 bytes. */
  readonly sid: Uint8Array;
  /** Roster index of the dealer. */
  readonly index: number;
  /** Commitment to the self-mask seed b, 32 bytes. */
  readonly commitment: Uint8Array;
  /** For every neighbour, in ascending order. */
  readonly ciphertexts: readonly ShareCiphertext[];
  /** Ed25519 signature over all of the above. */
  readonly signature: Uint8Array;
}

/** What a dealer sent to this client, with the dealer's commitment. */
export interface DeliveredShare extends ShareCiphertext {
  /** The dealer's commitment to its b, 32 bytes. */
  readonly commitment: Uint8Array;
}

/** The set U1 of sites that shared, and the shares meant for this client. */
export interface DeliverSharesMessage {
  /** Discriminator. */
  readonly type: "deliver_shares";
  /** Session id, 32 bytes. */
  readonly sid: Uint8Array;
  /** U1. */
  readonly shared: IndexSet;
  /** From every neighbour in U1, in ascending order. */
  readonly shares: readonly DeliveredShare[];
}

/** A piece of the masked vector. */
export interface MaskedChunkMessage {
  /** Discriminator. */
  readonly type: "masked_chunk";
  /** Session id, 32 bytes. */
  readonly sid: Uint8Array;
  /** Roster index of the sender. */
  readonly index: number;
  /** Number of the chunk, from 0. */
  readonly chunk: number;
  /** Coordinates in the wire form of the configuration. */
  readonly payload: Uint8Array;
}

/** Ends the upload: from here on the vector counts. */
export interface CommitVectorMessage {
  /** Discriminator. */
  readonly type: "commit_vector";
  /** Session id, 32 bytes. */
  readonly sid: Uint8Array;
  /** Roster index of the sender. */
  readonly index: number;
  /** Hash over the hashes of all chunks, 32 bytes. */
  readonly vectorRoot: Uint8Array;
  /** Ed25519 signature over all of the above. */
  readonly signature: Uint8Array;
  /**
   * `default` only, undefined in other profiles: Ed25519 signature of the set U1 that the vector is masked for. The
   * others release shares of b only against it.
   */
  readonly sharedSignature: Uint8Array | undefined;
}

/** The set U2 of survivors, to be signed (`strict`). */
export interface SurvivorsMessage {
  /** Discriminator. */
  readonly type: "survivors";
  /** Session id, 32 bytes. */
  readonly sid: Uint8Array;
  /** U2. */
  readonly survivors: IndexSet;
  /** {@link recordRoot} of everything that the sites sent since the roster, 32 bytes. */
  readonly recordRoot: Uint8Array;
}

/** A survivor's signature over the transcript that ends with U2 (`strict`). */
export interface SignSurvivorsMessage {
  /** Discriminator. */
  readonly type: "sign_survivors";
  /** Session id, 32 bytes. */
  readonly sid: Uint8Array;
  /** Roster index of the signer. */
  readonly index: number;
  /** Ed25519 signature over the transcript hash. */
  readonly signature: Uint8Array;
}

/** One signature of a survivor: of the survivor set in `strict`, of the set U1 in `default`. */
export interface SurvivorSignature {
  /** Roster index of the signer. */
  readonly index: number;
  /** Ed25519 signature. */
  readonly signature: Uint8Array;
}

/** Asks for one share per peer. */
export interface UnmaskRequestMessage {
  /** Discriminator. */
  readonly type: "unmask_request";
  /** Session id, 32 bytes. */
  readonly sid: Uint8Array;
  /** U2. */
  readonly survivors: IndexSet;
  /** {@link recordRoot} of everything that the sites sent since the roster, 32 bytes. */
  readonly recordRoot: Uint8Array;
  /**
   * In ascending order: t signatures of U2 (`strict`), the signatures of U1 by every neighbour in U2 (`default`), none
   * in `curious`.
   */
  readonly signatures: readonly SurvivorSignature[];
}

/** The one share of a peer's secret that this client releases. */
export interface ReleasedShare {
  /** Whose secret. */
  readonly peer: number;
  /** Which of its two secrets. */
  readonly kind: ShareKind;
  /** The share, 32 bytes. */
  readonly share: Uint8Array;
}

/** A client's answer to the unmask request. */
export interface UnmaskMessage {
  /** Discriminator. */
  readonly type: "unmask";
  /** Session id, 32 bytes. */
  readonly sid: Uint8Array;
  /** Roster index of the sender. */
  readonly index: number;
  /** For every site of U1 in the sender's closed neighbourhood, in ascending order. */
  readonly shares: readonly ReleasedShare[];
  /** Ed25519 signature over the transcript hash and all of the above. */
  readonly signature: Uint8Array;
}

/** Either side gives up. */
export interface AbortMessage {
  /** Discriminator. */
  readonly type: "abort";
  /** Error code. */
  readonly code: string;
  /** Stable reason. */
  readonly reason: string;
}

/** What a client sends. */
export type ClientMessage =
  | AdvertiseKeysMessage
  | ShareKeysMessage
  | MaskedChunkMessage
  | CommitVectorMessage
  | SignSurvivorsMessage
  | UnmaskMessage
  | AbortMessage;

/** What the server sends. */
export type ServerMessage =
  | RosterMessage
  | DeliverSharesMessage
  | SurvivorsMessage
  | UnmaskRequestMessage
  | AbortMessage;

/** Any message. */
export type Message = ClientMessage | ServerMessage;
