import { protocolAbort, unexpectedMessage } from "./errors.ts";
import type { Message, ServerMessage } from "./messages.ts";
import { acceptAdvert, closeAdvertiseKeys, rosterFor } from "./server_advertise_keys.ts";
import { acceptChunk, acceptCommit, closeMaskedInput, survivorsMessage } from "./server_masked_input.ts";
import { acceptShares, closeShareKeys, sharesFor } from "./server_share_keys.ts";
import { acceptSurvivorSignature, closeSignSurvivors, unmaskRequestFor } from "./server_sign_survivors.ts";
import { IndexSet } from "./index_set.ts";
import type { Acceptance, ServerRoster, ServerState, ServerUnmasking } from "./server_state.ts";
import { acceptUnmask, closeUnmask } from "./server_unmask.ts";

/** What each phase takes; nothing else but an abort is legal in it. */
const EXPECTED: Readonly<Record<ServerState["phase"], string>> = {
  advertise_keys: "advertise_keys",
  share_keys: "share_keys",
  masked_input: "masked_chunk or commit_vector",
  sign_survivors: "sign_survivors",
  unmask: "unmask",
  finished: "nothing: the round is over",
  aborted: "nothing: the round was given up",
};

/**
 * The whole server as one function of (state, message); a pair that is not legal is refused.
 * @param gone client ids that gave up; an abort message adds to it
 * @throws SecAggError
 */
export function acceptMessage(
  state: ServerState,
  from: string,
  message: Message,
  gone: Set<string>,
): Acceptance {
  if (gone.has(from)) {
    throw protocolAbort("peer_aborted", "This site gave the session up and cannot come back.", {
      blamed: [from],
    });
  }
  const over = state.phase === "finished" || state.phase === "aborted";
  if (message.type === "abort" && !over) {
    if (!state.context.enrolled.has(from)) {
      throw protocolAbort("not_enrolled", "A site that is not enrolled cannot give up.", { blamed: [from] });
    }
    return { kind: "accept", apply: () => gone.add(from) };
  }
  if (state.phase === "advertise_keys" && message.type === "advertise_keys") {
    return acceptAdvert(state, from, message);
  }
  if (state.phase === "share_keys" && message.type === "share_keys") {
    return acceptShares(state, from, message);
  }
  if (state.phase === "masked_input" && message.type === "masked_chunk") {
    return acceptChunk(state, from, message);
  }
  if (state.phase === "masked_input" && message.type === "commit_vector") {
    return acceptCommit(state, from, message);
  }
  if (state.phase === "sign_survivors" && message.type === "sign_survivors") {
    return acceptSurvivorSignature(state, from, message);
  }
  if (state.phase === "unmask" && message.type === "unmask") return acceptUnmask(state, from, message);
  throw unexpectedMessage(message.type, EXPECTED[state.phase]);
}

/**
 * Ends a phase.
 * @throws SecAggError if too few sites are left, or a secret cannot be recovered
 */
export async function closePhase(state: ServerState): Promise<ServerState> {
  switch (state.phase) {
    case "advertise_keys":
      return closeAdvertiseKeys(state);
    case "share_keys":
      return closeShareKeys(state);
    case "masked_input":
      return closeMaskedInput(state);
    case "sign_survivors":
      return closeSignSurvivors(state);
    case "unmask":
      return await closeUnmask(state);
    case "finished":
    case "aborted":
      throw unexpectedMessage("close", EXPECTED[state.phase]);
  }
}

/** Who gets the unmask request: in `strict` only those that signed the survivors. */
function askedToUnmask({ context, signatures, survivors }: ServerUnmasking): IndexSet {
  return context.config.profile === "strict" ? IndexSet.of(survivors.capacity, signatures.keys()) : survivors;
}

/** Indices that may speak in a phase. */
function speakers(
  state: Exclude<ServerState, { phase: "advertise_keys" | "finished" | "aborted" }>,
): Iterable<number> {
  switch (state.phase) {
    case "share_keys":
      return state.adverts.keys();
    case "masked_input":
      return state.shared;
    case "sign_survivors":
      return state.survivors;
    case "unmask":
      return askedToUnmask(state);
  }
}

function ids({ adverts }: ServerRoster, indices: Iterable<number>): string[] {
  return [...indices].sort((a, b) => a - b).map((index) => adverts[index].clientId);
}

/** Client ids that may speak in this phase. */
export function expectedClients(state: ServerState): readonly string[] {
  switch (state.phase) {
    case "advertise_keys":
      return [...state.context.enrolled.keys()].sort();
    case "finished":
    case "aborted":
      return [];
    default:
      return ids(state, speakers(state));
  }
}

/** Client ids that have said in this phase all there is to say. */
export function answeredClients(state: ServerState): readonly string[] {
  switch (state.phase) {
    case "advertise_keys":
      return [...state.adverts.keys()].sort();
    case "share_keys":
      return ids(state, state.shares.keys());
    case "masked_input":
      return ids(state, state.committed.keys());
    case "sign_survivors":
      return ids(state, state.signatures.keys());
    case "unmask":
      return ids(state, state.answers.keys());
    case "finished":
    case "aborted":
      return [];
  }
}

/**
 * Makes the message to one client in this phase; undefined if there is nothing for it. What is made depends on nothing
 * that changes while the phase is open or after it, so it may be made at any time and is always the same.
 */
export function outboundMaker(state: ServerState, clientId: string): (() => ServerMessage) | undefined {
  if (state.phase === "aborted") {
    const { code, reason } = state.error;
    return () => ({ type: "abort", code, reason });
  }
  if (state.phase === "advertise_keys" || state.phase === "finished") return undefined;
  const index = state.indexOf.get(clientId);
  if (index === undefined) return undefined;
  switch (state.phase) {
    case "share_keys":
      return () => rosterFor(state, index);
    case "masked_input":
      return state.shared.has(index) ? () => sharesFor(state, index) : undefined;
    case "sign_survivors":
      return state.survivors.has(index) ? () => survivorsMessage(state) : undefined;
    case "unmask":
      return askedToUnmask(state).has(index) ? () => unmaskRequestFor(state, index) : undefined;
  }
}

/** The single message of a client that the present phase holds; undefined if it has none. */
export function messageOnFile(state: ServerState, clientId: string): Message | undefined {
  if (state.phase === "advertise_keys") return state.adverts.get(clientId);
  if (state.phase === "finished" || state.phase === "aborted") return undefined;
  const index = state.indexOf.get(clientId) ?? -1;
  switch (state.phase) {
    case "share_keys":
      return state.shares.get(index);
    case "unmask":
      return state.answers.get(index);
    case "masked_input":
      return undefined;
    case "sign_survivors": {
      const signature = state.signatures.get(index)?.signature;
      return signature && { type: "sign_survivors", sid: state.session.sid, index, signature };
    }
  }
}
