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
    const masked = await maskInput(step.state, await effects.input(), effects.engine);
    if (masked.kind === "abort") return abortClient(step.state, masked.error);
    return { state: masked.state, outbound: masked.upload };
  }
  if (state.kind === "awaiting_survivors" && message.type === "survivors") {
    return settle(state, signSurvivors(state, message));
  }
  if (state.kind === "awaiting_unmask" && message.type === "unmask_request") {
    return settle(state, unmask(state, message));
  }
  return abortClient(state, unexpectedMessage(message.type, EXPECTED[state.kind]));
}
