import { checkSender, findPeer } from "./_server_checks.ts";
import { unmaskStatement } from "./client_unmask.ts";
import { protocolAbort } from "./errors.ts";
import { verifyLabelled } from "./identity.ts";
import { maskSeedCommitment, pairMaskKey, selfMaskKey, subtractsPairMask } from "./key_schedule.ts";
import type { MaskJob } from "./mask_engine.ts";
import type { UnmaskMessage } from "./messages.ts";
import { peerStatus, releasedShareKind, type ShareKind } from "./peer_status.ts";
import { BlameLedger } from "./blame.ts";
import { LagrangeCache, type PlacedShare, recoverSecret } from "./recovery.ts";
import { reduceRing } from "./ring_vector.ts";
import type { Acceptance, ServerFinished, ServerUnmasking } from "./server_state.ts";
import { equalBytes } from "./_bytes.ts";

/**
 * Phase 4: takes one site's shares.
 * @throws SecAggError if they are not signed, or not exactly one share of the right kind for every neighbour in U1
 */
export function acceptUnmask(state: ServerUnmasking, from: string, message: UnmaskMessage): Acceptance {
  const { session, shared, survivors, context } = state;
  const index = checkSender(state, from, message, survivors);
  const { enrolled, provider } = context;
  const statement = unmaskStatement(state.transcript, message);
  if (!verifyLabelled(enrolled.get(from)!, "unmask", statement, message.signature, provider)) {
    throw protocolAbort("bad_signature", "Released shares are not signed by their site.", { blamed: [from] });
  }
  const expected = session.graph.closed(index).filter((peer) => shared.has(peer));
  const fits = message.shares.length === expected.length &&
    message.shares.every(({ peer, kind }, i) =>
      peer === expected[i] && kind === releasedShareKind(peerStatus(peer, shared, survivors))
    );
  if (!fits) {
    throw protocolAbort("wrong_shares", "A site released other shares than it was asked for.", {
      needed: "one share of the right kind for every neighbour",
      blamed: [from],
    });
  }
  return { kind: "accept", apply: () => state.answers.set(index, message) };
}

/** The shares of one secret that came back, with their Shamir coordinates. */
function collectShares({ session, answers }: ServerUnmasking, dealer: number): PlacedShare[] {
  return session.graph.closed(dealer).flatMap((holder, rank) => {
    const answer = answers.get(holder);
    const released = answer && findPeer(answer.shares, dealer);
    return released === undefined ? [] : [{ coordinate: rank + 1, holder, share: released.share }];
  });
}

/** Masks that must be taken out of the sum for one site of U1, from its recovered secret. */
function masksOf(state: ServerUnmasking, dealer: number, kind: ShareKind, secret: Uint8Array): MaskJob[] {
  const { session, survivors, adverts, context } = state;
  const { provider } = context;
  const { sid } = session;
  if (kind === "mask_seed") return [{ key: selfMaskKey(provider, sid, dealer, secret), negate: true }];
  const peers = session.graph.closed(dealer).filter((peer) => peer !== dealer && survivors.has(peer));
  const secrets = peers.map((peer) => adverts[peer].maskKey).map(provider.x25519(secret));
  return peers.map((peer, i) => {
    const shared = secrets[i];
    if (shared === undefined) {
      throw protocolAbort("bad_public_key", "A site advertised a key of low order.", {
        blamed: [adverts[peer].clientId],
      });
    }
    // The survivor `peer` put this mask in with its own sign; take it out with the opposite one.
    const key = pairMaskKey(provider, sid, shared, dealer, peer);
    shared.fill(0);
    return { key, negate: !subtractsPairMask(peer, dealer) };
  });
}

/**
 * Ends phase 4: recovers one secret per site of U1, checks each against its public commitment, and takes the masks
 * out of the sum.
 * @throws SecAggError BelowThreshold with too few shares of a secret; ProtocolAbort unrecoverable_secret
 */
export async function closeUnmask(state: ServerUnmasking): Promise<ServerFinished> {
  const { context, session, shared, survivors, adverts, commitments, accumulator } = state;
  const { provider, config, engine } = context;
  const ledger = new BlameLedger();
  const cache = new LagrangeCache();
  const jobs: MaskJob[] = [];
  for (const dealer of shared) {
    const kind = releasedShareKind(peerStatus(dealer, shared, survivors))!;
    const isRight = (secret: Uint8Array): boolean =>
      kind === "mask_seed"
        ? equalBytes(
          maskSeedCommitment(provider, session.sid, dealer, secret),
          commitments.get(dealer)!,
        )
        : equalBytes(provider.x25519PublicKey(secret), adverts[dealer].maskKey);
    const secret = recoverSecret({
      shares: collectShares(state, dealer),
      total: session.graph.closed(dealer).length,
      threshold: config.threshold,
      dealer,
      dealerId: adverts[dealer].clientId,
      isRight,
      ledger,
    }, cache);
    jobs.push(...masksOf(state, dealer, kind, secret));
    secret.fill(0);
  }
  await engine.apply(accumulator, jobs, 0);
  for (const { key } of jobs) key.fill(0);
  reduceRing(accumulator, config.ringBits);
  return {
    phase: "finished",
    result: {
      sum: accumulator,
      survivors: [...survivors].map((index) => adverts[index].clientId),
      transcript: state.transcript,
      blamed: ledger.blame((index) => adverts[index].clientId),
    },
  };
}
