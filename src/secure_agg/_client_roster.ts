import { compareBytes, equalBytes, prefix48 } from "./_bytes.ts";
import { isCanonicalX25519 } from "./_x25519_canonical.ts";
import type { ClientAwaitingRoster, ClientContext } from "./client_state.ts";
import { encodeMessage } from "./codec.ts";
import { type AbortReason, protocolAbort } from "./errors.ts";
import { verifyLabelled } from "./identity.ts";
import type { AdvertiseKeysMessage, RosterMessage } from "./messages.ts";
import { advertLeaf, advertStatement, compareClientIds, openSession, type Session } from "./session.ts";

/** A roster that was read: this site is in it, and nobody twice. */
export interface ReadRoster {
  readonly session: Session;
  /** Our own index. */
  readonly index: number;
  /** Adverts of our neighbours, by index. */
  readonly adverts: ReadonlyMap<number, AdvertiseKeysMessage>;
}

function checkAdvert(context: ClientContext, advert: AdvertiseKeysMessage): void {
  const { enrolled, provider } = context;
  const refuse = (reason: AbortReason, summary: string): never => {
    const { clientId } = advert;
    const evidence = [encodeMessage(advert)];
    throw protocolAbort(reason, summary, { found: clientId, blamed: [clientId], evidence });
  };
  const key = enrolled.get(advert.clientId);
  if (key === undefined) return refuse("not_enrolled", "The roster names a site that is not enrolled.");
  if (!verifyLabelled(key, "advertise_keys", advertStatement(advert), advert.signature, provider)) {
    refuse("bad_signature", "Keys on the roster are not signed by their site.");
  }
  if (!isCanonicalX25519(advert.encryptionKey) || !isCanonicalX25519(advert.maskKey)) {
    refuse("bad_public_key", "A site advertised a key that is not canonical.");
  }
}

/** Our own advert must appear exactly once, unchanged. */
function findOwnIndex(own: Uint8Array, leaves: readonly Uint8Array[]): number {
  const found: number[] = [];
  leaves.forEach((leaf, i) => compareBytes(leaf, own) === 0 && found.push(i));
  if (found.length !== 1) {
    throw protocolAbort("own_keys_missing", "The roster does not carry this site's own keys exactly once.", {
      found: `${found.length} times`,
      needed: "once",
    });
  }
  return found[0];
}

/** Whole adverts come exactly for the neighbours that the graph gives us, sorted by client id. */
function neighbourAdverts(
  message: RosterMessage,
  session: Session,
  index: number,
  ownId: string,
): ReadonlyMap<number, AdvertiseKeysMessage> {
  const neighbours = new Set(session.graph.closed(index));
  neighbours.delete(index);
  const adverts = new Map<number, AdvertiseKeysMessage>();
  let last: string | undefined;
  message.entries.forEach((entry, i) => {
    if ((entry.kind === "advert") !== neighbours.has(i)) {
      throw protocolAbort("wrong_neighbours", "The roster shows other neighbours than the graph gives.", {
        found: `an entry of kind ${entry.kind} at index ${i}`,
      });
    }
    if (entry.kind === "advert") adverts.set(i, entry.advert);
    const id = entry.kind === "advert" ? entry.advert.clientId : i === index ? ownId : undefined;
    if (id === undefined) return;
    if (last !== undefined && compareClientIds(last, id) >= 0) {
      throw protocolAbort(
        last === id ? "duplicate_client" : "unordered_clients",
        "The roster is not sorted by client id without repeats.",
        { found: `${id} after ${last}` },
      );
    }
    last = id;
  });
  return adverts;
}

/** The second of two items with the same bytes, or undefined. Whatever bytes a liar chose, it takes two sorts at most. */
function repeated<T>(items: readonly T[], bytesOf: (item: T) => Uint8Array): T | undefined {
  const prefixes = new Float64Array(items.length);
  for (let i = 0; i < items.length; i++) prefixes[i] = prefix48(bytesOf(items[i]));
  prefixes.sort();
  if (prefixes.every((prefix, i) => i === 0 || prefix !== prefixes[i - 1])) return undefined;
  const sorted = items.toSorted((a, b) => compareBytes(bytesOf(a), bytesOf(b)));
  return sorted.find((item, i) => i > 0 && equalBytes(bytesOf(sorted[i - 1]), bytesOf(item)));
}

function checkDistinctKeys(own: AdvertiseKeysMessage, adverts: Iterable<AdvertiseKeysMessage>): void {
  const keys = [own, ...adverts].flatMap((advert) =>
    [advert.encryptionKey, advert.maskKey].map((key) => ({ key, advert }))
  );
  const twice = repeated(keys, ({ key }) => key);
  if (twice !== undefined) {
    throw protocolAbort("duplicate_key", "Two advertised keys are the same.", {
      blamed: [twice.advert.clientId],
      evidence: [encodeMessage(twice.advert)],
    });
  }
}

/** A roster whose neighbours passed {@link checkNeighbours}: secrets may be shared with them. */
export interface VerifiedRoster extends ReadRoster {
  readonly verified: true;
}

/**
 * The checks of the roster that are about this site's own neighbours: their signatures, and keys that all differ.
 * @throws SecAggError that names the neighbour
 */
export function checkNeighbours(
  { context, advert }: ClientAwaitingRoster,
  roster: ReadRoster,
): VerifiedRoster {
  for (const neighbour of roster.adverts.values()) checkAdvert(context, neighbour);
  checkDistinctKeys(advert, roster.adverts.values());
  return { ...roster, verified: true };
}

/** Reads the whole roster: computes the session from it, and finds this site and its neighbours; see {@link checkNeighbours}. */
export function readRoster(state: ClientAwaitingRoster, message: RosterMessage): ReadRoster {
  const { context, advert: own } = state;
  const { provider, config, configHash, identity } = context;
  if (!equalBytes(message.configHash, configHash)) {
    throw protocolAbort("wrong_config", "The roster belongs to another configuration, model or plan.", {
      needed: "the configuration hash of the plan that this site accepted",
      evidence: [encodeMessage(message)],
    });
  }
  const leaves = message.entries.map((entry) =>
    entry.kind === "leaf" ? entry.leaf : advertLeaf(provider, entry.advert)
  );
  const index = findOwnIndex(advertLeaf(provider, own), leaves);
  if (repeated(leaves, (leaf) => leaf) !== undefined) {
    throw protocolAbort("duplicate_client", "The roster carries an advert twice.");
  }
  const session = openSession(provider, config, configHash, leaves);
  return { session, index, adverts: neighbourAdverts(message, session, index, identity.id) };
}
