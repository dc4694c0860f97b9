import type {
  ClientAwaitingRoster,
  ClientAwaitingShares,
  ClientAwaitingSurvivors,
  ClientAwaitingUnmask,
  ClientContext,
  ClientFrozen,
  HeldShares,
  Peer,
} from "./client_state.ts";
import type { IndexSet } from "./index_set.ts";
import type { AdvertiseKeysMessage } from "./messages.ts";
import { SecretBytes } from "./secret_bytes.ts";
import type { Session } from "./session.ts";

/** What all simulated sites hold alike: kept once. */
export interface CommonKnowledge {
  /** Session, as every site computed it. */
  readonly session: Session;
  /** Adverts by index. */
  readonly adverts: readonly AdvertiseKeysMessage[];
}

/**
 * A simulated site between two phases: the secrets of its state in one array, 32 bytes each. Ten thousand states with a
 * map of a few hundred neighbours each would take gigabytes; what the sites know in common is put back at the next
 * phase.
 */
export class PackedSite {
  /** Bytes of the packed state. */
  get bytes(): number {
    return this.#secrets.length;
  }
  #secrets: Uint8Array;
  /** The transcript that this site signed. */
  signed: Uint8Array | undefined;

  /** @param secrets its X25519 secrets of the envelopes and of the masks, as after phase 0; taken over */
  constructor(secrets: Uint8Array) {
    this.#secrets = secrets;
  }

  #pack(secrets: readonly SecretBytes[]): void {
    const before = this.#secrets;
    this.#secrets = new Uint8Array(32 * secrets.length);
    secrets.forEach((secret, i) => this.#secrets.set(secret.reveal(), 32 * i));
    before.fill(0);
  }

  #secret(i: number): SecretBytes {
    return new SecretBytes(this.#secrets.subarray(32 * i, 32 * (i + 1)));
  }

  /** Forgets everything. */
  wipe(): void {
    this.#pack([]);
  }

  /** Before phase 1. */
  advertised(context: ClientContext, advert: AdvertiseKeysMessage): ClientAwaitingRoster {
    return {
      kind: "awaiting_roster",
      context,
      advert,
      encryptionSecret: this.#secret(0),
      maskSecret: this.#secret(1),
    };
  }

  /** After phase 1. */
  packShared({ maskSecret, maskSeed, ownShares, peers }: ClientAwaitingShares): void {
    const inbound = [...peers].sort(([a], [b]) => a - b).map(([, { inboundKey }]) => inboundKey);
    this.#pack([maskSecret, maskSeed, ownShares.maskSeed, ownShares.maskKey, ...inbound]);
  }

  /** Before phase 2. */
  shared(context: ClientContext, index: number, { session, adverts }: CommonKnowledge): ClientAwaitingShares {
    const peers = new Map<number, Peer>();
    for (const peer of session.graph.closed(index)) {
      if (peer === index) continue;
      const { clientId, maskKey } = adverts[peer];
      const identityKey = context.enrolled.get(clientId)!;
      peers.set(peer, { clientId, identityKey, maskKey, inboundKey: this.#secret(4 + peers.size) });
    }
    return {
      kind: "awaiting_shares",
      context,
      session,
      index,
      peers,
      maskSecret: this.#secret(0),
      maskSeed: this.#secret(1),
      ownShares: { maskSeed: this.#secret(2), maskKey: this.#secret(3) },
    };
  }

  /** After phase 2. */
  packFrozen({ held }: ClientFrozen): void {
    const ordered = [...held].sort(([a], [b]) => a - b);
    this.#pack(ordered.flatMap(([, { maskSeed, maskKey }]) => [maskSeed, maskKey]));
  }

  #frozen(context: ClientContext, index: number, common: CommonKnowledge, shared: IndexSet): ClientFrozen {
    const { session, adverts } = common;
    const held = new Map<number, HeldShares>();
    const identityKeys = new Map<number, Uint8Array>();
    for (const peer of session.graph.closed(index)) {
      identityKeys.set(peer, context.enrolled.get(adverts[peer].clientId)!);
      if (!shared.has(peer)) continue;
      const at = 2 * held.size;
      held.set(peer, { maskSeed: this.#secret(at), maskKey: this.#secret(at + 1) });
    }
    return { context, session, index, identityKeys, shared, held };
  }

  /** Before phase 3. */
  survivor(
    context: ClientContext,
    index: number,
    common: CommonKnowledge,
    shared: IndexSet,
  ): ClientAwaitingSurvivors {
    return { kind: "awaiting_survivors", ...this.#frozen(context, index, common, shared) };
  }

  /** Before phase 4. */
  signer(
    context: ClientContext,
    index: number,
    common: CommonKnowledge,
    shared: IndexSet,
  ): ClientAwaitingUnmask {
    return { kind: "awaiting_unmask", ...this.#frozen(context, index, common, shared), signed: this.signed };
  }
}
