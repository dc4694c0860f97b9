import { sharesStatement } from "./client_share_keys.ts";
import { belowThreshold, protocolAbort } from "./errors.ts";
import { verifyLabelled } from "./identity.ts";
import { IndexSet } from "./index_set.ts";
import type { DeliverSharesMessage, ShareKeysMessage } from "./messages.ts";
import type { Acceptance, ServerCollecting, ServerShared, ServerSharing } from "./server_state.ts";
import { checkSender, findPeer } from "./_server_checks.ts";
import { aliveNeighbours, neededNeighbours, type Session } from "./session.ts";
import type { RoundConfig } from "./round_config.ts";

/**
 * Phase 1: takes one dealer's encrypted shares.
 * @throws SecAggError if they are not signed, or not for exactly the dealer's neighbours
 */
export function acceptShares(state: ServerSharing, from: string, message: ShareKeysMessage): Acceptance {
  const index = checkSender(state, from, message);
  const { enrolled, provider } = state.context;
  if (
    !verifyLabelled(enrolled.get(from)!, "share_keys", sharesStatement(message), message.signature, provider)
  ) {
    throw protocolAbort("bad_signature", "The shares are not signed by their dealer.", { blamed: [from] });
  }
  const neighbours = state.session.graph.closed(index).filter((peer) => peer !== index);
  const found = message.ciphertexts.map(({ peer }) => peer);
  if (neighbours.length !== found.length || neighbours.some((peer, i) => peer !== found[i])) {
    throw protocolAbort("wrong_recipients", "The shares are not for exactly the dealer's neighbours.", {
      found: `${found.length} envelopes`,
      needed: `one for each of ${neighbours.length} neighbours`,
      blamed: [from],
    });
  }
  return { kind: "accept", apply: () => state.shares.set(index, message) };
}

/** Sites that see enough live neighbours, after repeatedly leaving out those that do not. */
function withEnoughNeighbours(session: Session, config: RoundConfig, members: Iterable<number>): IndexSet {
  let set = IndexSet.of(session.n, members);
  for (;;) {
    const current = set;
    const kept = [...current].filter((i) =>
      aliveNeighbours(session, i, current) >= neededNeighbours(session, config)
    );
    if (kept.length === current.size) return current;
    set = IndexSet.of(session.n, kept);
  }
}

/**
 * Ends phase 1: fixes U1.
 * @throws SecAggError BelowThreshold if fewer than nMin sites with enough neighbours shared keys
 */
export function closeShareKeys(state: ServerSharing): ServerCollecting {
  const { context, session, shares } = state;
  const shared = withEnoughNeighbours(session, context.config, shares.keys());
  if (shared.size < context.config.nMin) {
    throw belowThreshold("too_few_survivors", "sites shared keys", shared.size, context.config.nMin);
  }
  const { adverts, indexOf } = state;
  return {
    phase: "masked_input",
    context,
    session,
    adverts,
    indexOf,
    shares,
    shared,
    uploads: new Map(),
    accumulator: new Uint32Array(context.config.dimension),
    committed: new Map(),
  };
}

/** U1 and the shares of its dealers for one site of U1. */
export function sharesFor({ session, shared, shares }: ServerShared, index: number): DeliverSharesMessage {
  const dealers = session.graph.closed(index).filter((peer) => peer !== index && shared.has(peer));
  return {
    type: "deliver_shares",
    sid: session.sid,
    shared,
    shares: dealers.map((peer) => {
      const { commitment, ciphertexts } = shares.get(peer)!;
      return { peer, commitment, ciphertext: findPeer(ciphertexts, index)!.ciphertext };
    }),
  };
}
