import type { RandomBytes } from "../formats/random_bytes.ts";
import type { CryptoProvider } from "./crypto_provider.ts";
import type { SecAggError } from "./errors.ts";
import type { Enrolled, Identity } from "./identity.ts";
import type { IndexSet } from "./index_set.ts";
import type { AdvertiseKeysMessage } from "./messages.ts";
import type { RoundConfig } from "./round_config.ts";
import type { SecretBytes } from "./secret_bytes.ts";
import type { Session } from "./session.ts";

/** What a client brings into a round and never changes. */
export interface ClientContext {
  /** The round, already checked. */
  readonly config: RoundConfig;
  /** cfgHash. */
  readonly configHash: Uint8Array;
  /** Who we are. */
  readonly identity: Identity;
  /** The pinned keys of all enrolled sites. */
  readonly enrolled: Enrolled;
  /** Cryptography. */
  readonly provider: CryptoProvider;
  /** Source of secret bytes. */
  readonly random: RandomBytes;
}

/** A neighbour on the roster, its advert verified. */
export interface Peer {
  /** Client id. */
  readonly clientId: string;
  /** Pinned Ed25519 key. */
  readonly identityKey: Uint8Array;
  /** Advertised X25519 mask key. */
  readonly maskKey: Uint8Array;
  /** Key of the envelope that this peer will send to us. */
  readonly inboundKey: SecretBytes;
}

/** A dealer's two shares that this client holds. */
export interface HeldShares {
  /** Share of the self-mask seed b. */
  readonly maskSeed: SecretBytes;
  /** Share of the secret mask key. */
  readonly maskKey: SecretBytes;
}

/** Keys are advertised; the roster comes next. */
export interface ClientAwaitingRoster {
  /** Discriminator. */
  readonly kind: "awaiting_roster";
  /** The round and we. */
  readonly context: ClientContext;
  /** What we advertised. */
  readonly advert: AdvertiseKeysMessage;
  /** X25519 secret of the envelopes. */
  readonly encryptionSecret: SecretBytes;
  /** X25519 secret of the pairwise masks. */
  readonly maskSecret: SecretBytes;
}

/** Shares are sent; the shares of the others come next. */
export interface ClientAwaitingShares {
  /** Discriminator. */
  readonly kind: "awaiting_shares";
  /** The round and we. */
  readonly context: ClientContext;
  /** Session id and graph. */
  readonly session: Session;
  /** Our roster index. */
  readonly index: number;
  /** Our neighbours by index. */
  readonly peers: ReadonlyMap<number, Peer>;
  /** X25519 secret of the pairwise masks. */
  readonly maskSecret: SecretBytes;
  /** Our self-mask seed b. */
  readonly maskSeed: SecretBytes;
  /** Our own shares of our own two secrets. */
  readonly ownShares: HeldShares;
}

/** What a client needs once it holds the shares of the others. */
export interface ClientFrozen {
  /** The round and we. */
  readonly context: ClientContext;
  /** Session id and graph. */
  readonly session: Session;
  /** Our roster index. */
  readonly index: number;
  /** Pinned Ed25519 keys of our neighbours and of us, by index. */
  readonly identityKeys: ReadonlyMap<number, Uint8Array>;
  /** U1. */
  readonly shared: IndexSet;
  /** Shares of every dealer of U1 in our closed neighbourhood, by index. */
  readonly held: ReadonlyMap<number, HeldShares>;
}

/** The shares are verified; the site's own vector comes next. */
export interface ClientAwaitingInput extends ClientFrozen {
  /** Discriminator. */
  readonly kind: "awaiting_input";
  /** Our self mask and our pairwise masks with every neighbour in U1. */
  readonly masks: readonly SecretMask[];
}

/** A mask that is yet to be applied. */
export interface SecretMask {
  /** ChaCha20 key. */
  readonly key: SecretBytes;
  /** True to subtract. */
  readonly negate: boolean;
}

/** The vector is frozen; the survivors come next (`strict`). */
export interface ClientAwaitingSurvivors extends ClientFrozen {
  /** Discriminator. */
  readonly kind: "awaiting_survivors";
}

/** The unmask request comes next. */
export interface ClientAwaitingUnmask extends ClientFrozen {
  /** Discriminator. */
  readonly kind: "awaiting_unmask";
  /** The transcript hash that we signed; undefined outside `strict`. */
  readonly signed: Uint8Array | undefined;
}

/** The one answer is given and every secret is wiped. */
export interface ClientDone {
  /** Discriminator. */
  readonly kind: "done";
  /** Session id. */
  readonly sid: Uint8Array;
}

/** The session is given up for ever and every secret is wiped. */
export interface ClientAborted {
  /** Discriminator. */
  readonly kind: "aborted";
  /** Why. */
  readonly error: SecAggError;
}

/** Any state of a client. */
export type ClientState =
  | ClientAwaitingRoster
  | ClientAwaitingShares
  | ClientAwaitingInput
  | ClientAwaitingSurvivors
  | ClientAwaitingUnmask
  | ClientDone
  | ClientAborted;

/** Overwrites every secret that a state holds. */
export function wipeClientState(state: ClientState): void {
  const wipeShares = (shares: HeldShares): void => {
    shares.maskSeed.wipe();
    shares.maskKey.wipe();
  };
  switch (state.kind) {
    case "awaiting_roster":
      state.encryptionSecret.wipe();
      state.maskSecret.wipe();
      break;
    case "awaiting_shares":
      state.maskSecret.wipe();
      state.maskSeed.wipe();
      wipeShares(state.ownShares);
      for (const peer of state.peers.values()) peer.inboundKey.wipe();
      break;
    case "awaiting_input":
      for (const mask of state.masks) mask.key.wipe();
      for (const shares of state.held.values()) wipeShares(shares);
      break;
    case "awaiting_survivors":
    case "awaiting_unmask":
      for (const shares of state.held.values()) wipeShares(shares);
      break;
    case "done":
    case "aborted":
      break;
  }
}
