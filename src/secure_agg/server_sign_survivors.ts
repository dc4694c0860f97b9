import { checkSender } from "./_server_checks.ts";
import { belowThreshold, protocolAbort } from "./errors.ts";
import { verifyLabelled } from "./identity.ts";
import type { SignSurvivorsMessage, UnmaskRequestMessage } from "./messages.ts";
import type { Acceptance, ServerCertifying, ServerUnmasking } from "./server_state.ts";

/**
 * Phase 3, `strict` only: takes one signature of U2.
 * @throws SecAggError bad_signature: that site may have been shown another survivor set
 */
export function acceptSurvivorSignature(
  state: ServerCertifying,
  from: string,
  message: SignSurvivorsMessage,
): Acceptance {
  const index = checkSender(state, from, message, state.survivors);
  const { enrolled, provider } = state.context;
  if (!verifyLabelled(enrolled.get(from)!, "sign_survivors", state.transcript, message.signature, provider)) {
    throw protocolAbort("bad_signature", "A survivor signed another set.", { blamed: [from] });
  }
  return {
    kind: "accept",
    apply: () => state.signatures.set(index, { index, signature: message.signature }),
  };
}

/**
 * Ends phase 3.
 * @throws SecAggError BelowThreshold if a site would see fewer than t signatures of its neighbourhood
 */
export function closeSignSurvivors(state: ServerCertifying): ServerUnmasking {
  const { session, signatures, context } = state;
  const { threshold } = context.config;
  const seen = [...signatures.keys()].map((index) =>
    session.graph.closed(index).filter((peer) => signatures.has(peer)).length
  );
  const fewest = Math.min(signatures.size, ...seen);
  if (fewest < threshold) {
    throw belowThreshold("too_few_signatures", "neighbours signed the survivor set", fewest, threshold);
  }
  return { ...state, phase: "unmask", answers: new Map() };
}

/** The request to one site: U2, and t signatures of its closed neighbourhood in `strict`. */
export function unmaskRequestFor(state: ServerUnmasking, index: number): UnmaskRequestMessage {
  const { session, survivors, signatures, context } = state;
  const around = session.graph.closed(index).filter((peer) => signatures.has(peer));
  return {
    type: "unmask_request",
    sid: session.sid,
    survivors,
    recordRoot: state.recordRoot,
    signatures: around.slice(0, context.config.threshold).map((peer) => signatures.get(peer)!),
  };
}
