import { checkAlive, checkSession } from "./_client_checks.ts";
import {
  type ClientAwaitingInput,
  type ClientAwaitingShares,
  type HeldShares,
  type SecretMask,
  wipeClientState,
} from "./client_state.ts";
import { asStep, type StepAbort } from "./client_step.ts";
import { encodeMessage } from "./codec.ts";
import { protocolAbort } from "./errors.ts";
import { ENVELOPE_NONCE, envelopeAad, pairMaskKey, selfMaskKey, subtractsPairMask } from "./key_schedule.ts";
import type { DeliveredShare, DeliverSharesMessage } from "./messages.ts";
import { SecretBytes } from "./secret_bytes.ts";

/**
 * Phase 2, first half: opens the shares of every dealer in U1 and derives the masks (Bonawitz et al. 2017, round 2).
 * Nothing is sent: the site's vector comes next.
 */
export function receiveShares(
  state: ClientAwaitingShares,
  message: DeliverSharesMessage,
): { readonly kind: "next"; readonly state: ClientAwaitingInput } | StepAbort {
  return asStep(() => {
    const { context, session, index, peers, maskSecret, maskSeed, ownShares } = state;
    checkSession(session, message.sid);
    checkAlive(session, context.config, index, message.shared);
    checkSenders(state, message);
    const held = new Map<number, HeldShares>([[index, ownShares]]);
    const masks: SecretMask[] = [];
    const identityKeys = new Map([[index, context.identity.publicKey]]);
    for (const [peer, { identityKey }] of peers) identityKeys.set(peer, identityKey);
    const { shared } = message;
    const next: ClientAwaitingInput = {
      kind: "awaiting_input",
      context,
      session,
      index,
      identityKeys,
      shared,
      held,
      masks,
    };
    try {
      for (const share of message.shares) held.set(share.peer, openShare(state, share, message));
      deriveMasks(state, message, masks);
    } catch (error) {
      wipeClientState(next);
      throw error;
    }
    maskSecret.wipe();
    maskSeed.wipe();
    for (const { inboundKey } of peers.values()) inboundKey.wipe();
    return { kind: "next", state: next };
  });
}

/** The self mask, then one mask per neighbour in U1. */
function deriveMasks(
  { context, session, index, peers, maskSecret, maskSeed }: ClientAwaitingShares,
  message: DeliverSharesMessage,
  masks: SecretMask[],
): void {
  const { provider } = context;
  const selfKey = selfMaskKey(provider, session.sid, index, maskSeed.reveal());
  masks.push({ key: new SecretBytes(selfKey), negate: false });
  const neighbours = message.shares.map(({ peer }) => ({ peer, ...peers.get(peer)! }));
  const secrets = neighbours.map(({ maskKey }) => maskKey).map(provider.x25519(maskSecret.reveal()));
  for (const [i, { peer, clientId }] of neighbours.entries()) {
    const shared = secrets[i];
    if (shared === undefined) {
      for (const secret of secrets) secret?.fill(0);
      throw protocolAbort("bad_public_key", "A site advertised a key of low order.", { blamed: [clientId] });
    }
    const key = new SecretBytes(pairMaskKey(provider, session.sid, shared, index, peer));
    shared.fill(0);
    masks.push({ key, negate: subtractsPairMask(index, peer) });
  }
}

/** Shares must come from exactly those of our neighbours that are in U1. */
function checkSenders(state: ClientAwaitingShares, message: DeliverSharesMessage): void {
  const expected = state.session.graph.closed(state.index).filter((peer) =>
    peer !== state.index && message.shared.has(peer)
  );
  const found = message.shares.map((share) => share.peer);
  if (expected.length !== found.length || expected.some((peer, i) => peer !== found[i])) {
    throw protocolAbort("wrong_senders", "The delivered shares do not fit the announced set of sites.", {
      found: `shares of ${found.length} sites`,
      needed: `one of each of the ${expected.length} neighbours in the set`,
    });
  }
}

function openShare(
  { context, session, index, peers }: ClientAwaitingShares,
  share: DeliveredShare,
  message: DeliverSharesMessage,
): HeldShares {
  const peer = peers.get(share.peer)!;
  const aad = envelopeAad(session.sid, share.peer, index, share.commitment, peer.maskKey);
  const plaintext = context.provider.open(peer.inboundKey.reveal(), ENVELOPE_NONCE, aad, share.ciphertext);
  if (plaintext === undefined) {
    throw protocolAbort(
      "bad_envelope",
      "A share cannot be opened: it was changed, or its dealer made it wrong.",
      {
        found: `the share of ${peer.clientId}`,
        blamed: [peer.clientId],
        evidence: [encodeMessage(message)],
      },
    );
  }
  const held = {
    maskSeed: new SecretBytes(plaintext.slice(0, 32)),
    maskKey: new SecretBytes(plaintext.slice(32)),
  };
  plaintext.fill(0);
  return held;
}
