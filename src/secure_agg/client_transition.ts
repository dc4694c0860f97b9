import type { ClientAborted, ClientState } from "./client_state.ts";
import { wipeClientState } from "./client_state.ts";
import { maskInput } from "./client_masked_input.ts";
import { receiveShares } from "./client_receive_shares.ts";
import { shareKeys } from "./client_share_keys.ts";
import { signSurvivors } from "./client_sign_survivors.ts";
import { unmask } from "./client_unmask.ts";
import type { Step, StepAbort } from "./client_step.ts";
import { encodeMessage } from "./codec.ts";
import { protocolAbort, type SecAggError, unexpectedMessage } from "./errors.ts";
import type { MaskEngine } from "./mask_engine.ts";
import type { Message } from "./messages.ts";

/** What a client needs from outside to make its steps. */
export interface ClientEffects {
  /** Gives the site's vector; called once, when the shares of the others are verified. */
  readonly input: () => Uint32Array | Promise<Uint32Array>;
  /** Applies the masks. */
  readonly engine: MaskEngine;
}

/** A client's state after a message, and what to send. */
export interface ClientTransition {
  /** The new state. */
  readonly state: ClientState;
  /** Messages to send, in order. */
  readonly outbound: Iterable<Uint8Array>;
  /** Coordinates of the site's vector that were taken to the agreed bound in this step. */
  readonly saturated?: number;
}

/** What each state waits for; nothing else is legal in it. */
const EXPECTED: Readonly<Record<ClientState["kind"], string>> = {
  awaiting_roster: "roster",
  awaiting_shares: "deliver_shares",
  awaiting_input: "nothing: the site's own vector comes next",
  awaiting_survivors: "survivors",
  awaiting_unmask: "unmask_request",
  done: "nothing: the session is over",
  aborted: "nothing: the session was given up",
};

/** Gives a session up: wipes the secrets and tells the server the code and the reason, nothing else. */
export function abortClient(state: ClientState, error: SecAggError): ClientTransition {
  wipeClientState(state);
  const aborted: ClientAborted = { kind: "aborted", error };
  return {
    state: aborted,
    outbound: [encodeMessage({ type: "abort", code: error.code, reason: error.reason })],
  };
}

function settle(state: ClientState, step: Step<ClientState> | StepAbort): ClientTransition {
  return step.kind === "abort"
    ? abortClient(state, step.error)
    : { state: step.state, outbound: [step.outbound] };
}

/**
 * Takes the caller's vector away from it. The array is masked in place and read again at every retry of the upload: a
 * caller that went on using it would send its next plain vector under the name of this one.
 */
function ownVector(words: Uint32Array): Uint32Array {
  const { buffer } = words;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== words.byteLength) return words.slice();
  try {
    return new Uint32Array(buffer.transfer());
  } catch {
    return words.slice(); // memory of a WebAssembly instance cannot change hands
  }
}

/** The whole client as one function of (state, message); every pair that is not legal aborts. */
export async function stepClient(
  state: ClientState,
  message: Message,
  effects: ClientEffects,
): Promise<ClientTransition> {
  if (message.type === "abort" && state.kind !== "aborted") {
    wipeClientState(state);
    const error = protocolAbort("server_aborted", "The server gave the round up.", {
      found: `${message.code} ${message.reason}`,
    });
    return { state: { kind: "aborted", error }, outbound: [] };
  }
  if (state.kind === "awaiting_roster" && message.type === "roster") {
    return settle(state, shareKeys(state, message));
  }
  if (state.kind === "awaiting_shares" && message.type === "deliver_shares") {
    const step = receiveShares(state, message);
    if (step.kind === "abort") return abortClient(state, step.error);
    try {
      const masked = await maskInput(step.state, ownVector(await effects.input()), effects.engine);
      if (masked.kind === "abort") return abortClient(step.state, masked.error);
      return { state: masked.state, outbound: masked.upload, saturated: masked.saturated };
    } catch (error) {
      wipeClientState(step.state);
      throw error;
    }
  }
  if (state.kind === "awaiting_survivors" && message.type === "survivors") {
    return settle(state, signSurvivors(state, message));
  }
  if (state.kind === "awaiting_unmask" && message.type === "unmask_request") {
    return settle(state, unmask(state, message));
  }
  return abortClient(state, unexpectedMessage(message.type, EXPECTED[state.kind]));
}
