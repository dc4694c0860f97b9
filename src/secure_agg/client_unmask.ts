import { ByteWriter } from "./_byte_codec.ts";
import { equalBytes } from "./_bytes.ts";
import { checkSession, checkSurvivors } from "./_client_checks.ts";
import { type ClientAwaitingUnmask, type ClientDone, wipeClientState } from "./client_state.ts";
import { asStep, type Step } from "./client_step.ts";
import { encodeMessage } from "./codec.ts";
import { belowThreshold, protocolAbort } from "./errors.ts";
import { signLabelled, verifyLabelled } from "./identity.ts";
import type { IndexSet } from "./index_set.ts";
import type { ReleasedShare, UnmaskMessage, UnmaskRequestMessage } from "./messages.ts";
import { peerStatus, releasedShareKind } from "./peer_status.ts";
import { aliveNeighbours, countsAsWitness } from "./session.ts";
import { sharedStatement, transcriptHash } from "./transcript.ts";

/** The bytes of an unmask message that its signature covers. */
export function unmaskStatement(
  transcript: Uint8Array,
  message: Omit<UnmaskMessage, "signature" | "type">,
): Uint8Array {
  const writer = new ByteWriter();
  writer.raw(transcript).raw(message.sid).uint(2, message.index);
  for (const { peer, kind, share } of message.shares) {
    writer.uint(2, peer).uint(1, kind === "mask_seed" ? 0 : 1).raw(share);
  }
  return writer.finish();
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
    checkSignatures(state, message, transcript);
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

/** The signatures that the profile asks for. */
function checkSignatures(
  state: ClientAwaitingUnmask,
  message: UnmaskRequestMessage,
  transcript: Uint8Array,
): void {
  const { context, session, shared } = state;
  switch (context.config.profile) {
    case "curious":
      if (message.signatures.length === 0) return;
      throw protocolAbort("malformed_message", "Signatures came in a profile that has none.");
    case "default":
      verifySignatures(state, message, "sign_shared", sharedStatement(context.provider, session.sid, shared));
      return checkMaskedForSameSet(state, message);
    case "strict":
      return checkSurvivorSignatures(state, message, transcript);
  }
}

/** Every signature is of a survivor in our closed neighbourhood, named once, over these bytes. */
function verifySignatures(
  { context, identityKeys }: ClientAwaitingUnmask,
  { survivors, signatures }: UnmaskRequestMessage,
  label: string,
  statement: Uint8Array,
): void {
  let last = -1;
  for (const { index, signature } of signatures) {
    const key = index > last && survivors.has(index) ? identityKeys.get(index) : undefined;
    last = index;
    if (key === undefined || !verifyLabelled(key, label, statement, signature, context.provider)) {
      throw protocolAbort("bad_signature", "A signature of a set of sites is not valid for this set.", {
        found: `the signature of site number ${index}`,
        remedy: "keep both messages: another set may have been shown to that site",
      });
    }
  }
}

/**
 * `default`: every neighbour in U2 masked its vector for our own U1. Without this, a server could leave sites out of one
 * vector's masks, and fewer inputs than the split-view bound would hide it.
 */
function checkMaskedForSameSet(
  { session, index }: ClientAwaitingUnmask,
  { survivors, signatures }: UnmaskRequestMessage,
): void {
  const needed = aliveNeighbours(session, index, survivors);
  if (signatures.filter((signature) => signature.index !== index).length !== needed) {
    throw belowThreshold("too_few_signatures", "neighbours signed the set U1", signatures.length, needed);
  }
}

/** `strict`: at least t sites of our closed neighbourhood signed the very set that we signed. */
function checkSurvivorSignatures(
  state: ClientAwaitingUnmask,
  message: UnmaskRequestMessage,
  transcript: Uint8Array,
): void {
  const { context, session, index, signed } = state;
  if (signed === undefined || !equalBytes(signed, transcript)) {
    throw protocolAbort("survivors_changed", "The survivor set is not the one that this site signed.");
  }
  verifySignatures(state, message, "sign_survivors", transcript);
  const { threshold } = context.config;
  const counted = message.signatures.filter((s) => countsAsWitness(session, index, s.index)).length;
  if (counted < threshold) {
    throw belowThreshold("too_few_signatures", "sites signed the survivor set", counted, threshold);
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
