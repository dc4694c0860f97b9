import { checkSender } from "./_server_checks.ts";
import { belowThreshold, protocolAbort } from "./errors.ts";
import { verifyLabelled } from "./identity.ts";
import type { SignSurvivorsMessage, UnmaskRequestMessage } from "./messages.ts";
import type { Acceptance, ServerCertifying, ServerUnmasking } from "./server_state.ts";
import { countsAsWitness } from "./session.ts";

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
  const { signatures, context } = state;
  const { threshold } = context.config;
  const seen = [...signatures.keys()].map((index) => witnesses(state, index).length);
  const fewest = Math.min(signatures.size, ...seen);
  if (fewest < threshold) {
    throw belowThreshold("too_few_signatures", "neighbours signed the survivor set", fewest, threshold);
  }
  return { ...state, phase: "unmask", answers: new Map() };
}

/** Sites whose signatures count for site `index`. */
function witnesses({ session, signatures }: ServerCertifying | ServerUnmasking, index: number): number[] {
  return session.graph.closed(index).filter((peer) =>
    signatures.has(peer) && countsAsWitness(session, index, peer)
  );
}

/** The request to one site: U2, with t signatures of U2 in `strict`, and all neighbours' signatures of U1 in `default`. */
export function unmaskRequestFor(state: ServerUnmasking, index: number): UnmaskRequestMessage {
  const { session, survivors, signatures, context } = state;
  const { profile, threshold } = context.config;
  const signers = profile === "strict"
    ? witnesses(state, index).slice(0, threshold)
    : session.graph.closed(index).filter((peer) => peer !== index && signatures.has(peer));
  return {
    type: "unmask_request",
    sid: session.sid,
    survivors,
    recordRoot: state.recordRoot,
    signatures: signers.map((peer) => signatures.get(peer)!),
  };
}
