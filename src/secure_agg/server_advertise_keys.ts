import { equalBytes, toHex } from "./_bytes.ts";
import type { CryptoProvider } from "./crypto_provider.ts";
import { belowThreshold, protocolAbort } from "./errors.ts";
import { verifyLabelled } from "./identity.ts";
import type { AdvertiseKeysMessage, RosterMessage } from "./messages.ts";
import type { Acceptance, ServerAdvertising, ServerSharing } from "./server_state.ts";
import { advertLeaf, advertStatement, compareClientIds, openSession } from "./session.ts";

/**
 * Phase 0: takes one advert.
 * @throws SecAggError for an advert of another round, a full cohort, or a bad key or signature
 */
export function acceptAdvert(
  state: ServerAdvertising,
  from: string,
  advert: AdvertiseKeysMessage,
): Acceptance {
  const { config, configHash, enrolled, provider } = state.context;
  if (!equalBytes(advert.configHash, configHash)) {
    throw protocolAbort("wrong_config", "The advert belongs to another configuration.", { blamed: [from] });
  }
  if (advert.clientId !== from) {
    throw protocolAbort("not_enrolled", "The advert names another site than its sender.", { blamed: [from] });
  }
  const key = enrolled.get(from);
  if (
    key === undefined ||
    !verifyLabelled(key, "advertise_keys", advertStatement(advert), advert.signature, provider)
  ) {
    throw protocolAbort("bad_signature", "The advert is not signed by an enrolled site.", { blamed: [from] });
  }
  const usable = isUsable(provider, advert.encryptionKey) && isUsable(provider, advert.maskKey);
  if (!usable || isReused(state, advert)) {
    throw protocolAbort("bad_public_key", "An advertised key is not canonical, of low order, or not fresh.", {
      blamed: [from],
    });
  }
  if (state.adverts.size >= config.nMax) {
    throw protocolAbort("cohort_full", "The cohort is full.", {
      found: `${state.adverts.size} sites`,
      needed: `at most nMax = ${config.nMax}`,
      remedy: "join the next round",
    });
  }
  return {
    kind: "accept",
    apply: () => {
      state.adverts.set(from, advert);
      state.usedKeys.add(toHex(advert.encryptionKey)).add(toHex(advert.maskKey));
    },
  };
}

/** Any scalar tells a key of low order: X25519 clears the cofactor. */
const PROBE = new Uint8Array(32).fill(1);

/** True for a canonical X25519 key that is not of low order. */
function isUsable(provider: CryptoProvider, key: Uint8Array): boolean {
  return provider.x25519(PROBE)(key) !== undefined;
}

/** True if one of the keys is already on the roster, or both are the same. */
function isReused(
  { usedKeys }: ServerAdvertising,
  { encryptionKey, maskKey }: AdvertiseKeysMessage,
): boolean {
  return equalBytes(encryptionKey, maskKey) || usedKeys.has(toHex(encryptionKey)) ||
    usedKeys.has(toHex(maskKey));
}

/**
 * Ends phase 0: sorts the roster and fixes the session id.
 * @throws SecAggError BelowThreshold if fewer than nMin sites advertised
 */
export function closeAdvertiseKeys({ context, adverts }: ServerAdvertising): ServerSharing {
  const { config, configHash, provider } = context;
  if (adverts.size < config.nMin) {
    throw belowThreshold("roster_too_small", "sites advertised keys", adverts.size, config.nMin);
  }
  const sorted = [...adverts.values()].sort((a, b) => compareClientIds(a.clientId, b.clientId));
  const leaves = sorted.map((advert) => advertLeaf(provider, advert));
  const session = openSession(provider, config, configHash, leaves);
  const indexOf = new Map(sorted.map((advert, i) => [advert.clientId, i]));
  return { phase: "share_keys", context, session, adverts: sorted, leaves, indexOf, shares: new Map() };
}

/** The roster for one site: whole adverts of its neighbours, leaves of all others. */
export function rosterFor(state: ServerSharing, index: number): RosterMessage {
  const neighbours = new Set(state.session.graph.closed(index));
  neighbours.delete(index);
  return {
    type: "roster",
    configHash: state.context.configHash,
    entries: state.adverts.map((advert, i) =>
      neighbours.has(i) ? { kind: "advert", advert } : { kind: "leaf", leaf: state.leaves[i] }
    ),
  };
}
