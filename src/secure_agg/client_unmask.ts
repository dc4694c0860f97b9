import { concatBytes, equalBytes, u16 } from "./_bytes.ts";
import { checkSession, checkSurvivors } from "./_client_checks.ts";
import { type ClientAwaitingUnmask, type ClientDone, wipeClientState } from "./client_state.ts";
import { asStep, type Step } from "./client_step.ts";
import { encodeMessage } from "./codec.ts";
import { belowThreshold, protocolAbort } from "./errors.ts";
import { signLabelled, verifyLabelled } from "./identity.ts";
import type { IndexSet } from "./index_set.ts";
import type { ReleasedShare, UnmaskMessage, UnmaskRequestMessage } from "./messages.ts";
import { peerStatus, releasedShareKind } from "./peer_status.ts";
import { transcriptHash } from "./transcript.ts";

/** The bytes of an unmask message that its signature covers. */
export function unmaskStatement(
  transcript: Uint8Array,
  message: Omit<UnmaskMessage, "signature" | "type">,
): Uint8Array {
  return concatBytes(
    transcript,
    message.sid,
    u16(message.index),
    ...message.shares.flatMap(({ peer, kind, share }) => [
      u16(peer),
      Uint8Array.of(kind === "mask_seed" ? 0 : 1),
      share,
    ]),
  );
}

/**
 * Phase 4: releases exactly one share per peer, decided by its {@link peerStatus}, and wipes everything
 * (Bonawitz et al. 2017, round 4). There is no second time: the next state holds no shares.
 */
export function unmask(state: ClientAwaitingUnmask, message: UnmaskRequestMessage): Step<ClientDone> {
  return asStep(() => {
    const { context, session, index } = state;
    checkSession(session, message.sid);
    checkSurvivors(state, message.survivors);
    const { shared } = state;
    const transcript = transcriptHash(context.provider, { ...message, sid: session.sid, shared });
    if (context.config.profile === "strict") checkSignatures(state, message, transcript);
    else if (message.signatures.length > 0) {
      throw protocolAbort("malformed_message", "Survivor signatures came in a profile that has none.");
    }
    const fields = { sid: session.sid, index, shares: release(state, message.survivors) };
    const signature = signLabelled(
      context.identity,
      "unmask",
      unmaskStatement(transcript, fields),
      context.provider,
    );
    const outbound = encodeMessage({ type: "unmask", ...fields, signature });
    wipeClientState(state);
    return { kind: "next", state: { kind: "done", sid: session.sid }, outbound };
  });
}

/** At least t sites of our closed neighbourhood signed the very set that we signed. */
function checkSignatures(
  { context, identityKeys, signed }: ClientAwaitingUnmask,
  { survivors, signatures }: UnmaskRequestMessage,
  transcript: Uint8Array,
): void {
  if (signed === undefined || !equalBytes(signed, transcript)) {
    throw protocolAbort("survivors_changed", "The survivor set is not the one that this site signed.");
  }
  for (const { index, signature } of signatures) {
    const key = survivors.has(index) ? identityKeys.get(index) : undefined;
    if (
      key === undefined || !verifyLabelled(key, "sign_survivors", transcript, signature, context.provider)
    ) {
      throw protocolAbort("bad_signature", "A signature of the survivor set is not valid for this set.", {
        found: `the signature of site number ${index}`,
        remedy: "keep both messages: another survivor set may have been shown to that site",
      });
    }
  }
  if (signatures.length < context.config.threshold) {
    throw belowThreshold(
      "too_few_signatures",
      "sites signed the survivor set",
      signatures.length,
      context.config.threshold,
    );
  }
}

function release(
  { session, index, shared, held }: ClientAwaitingUnmask,
  survivors: IndexSet,
): ReleasedShare[] {
  return session.graph.closed(index).flatMap((peer) => {
    const kind = releasedShareKind(peerStatus(peer, shared, survivors));
    if (kind === undefined) return [];
    const shares = held.get(peer)!;
    const secret = kind === "mask_seed" ? shares.maskSeed : shares.maskKey;
    return [{ peer, kind, share: secret.reveal().slice() }];
  });
}
