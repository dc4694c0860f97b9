import { type ErrorDetails, FedKimError } from "../formats/errors.ts";

/** The stable, finer reason inside a {@link SecAggError}, one for every guard of the protocol. */
export type AbortReason =
  | "malformed_message"
  | "unsupported_version"
  | "unexpected_message"
  | "wrong_session"
  | "wrong_config"
  | "unsafe_config"
  | "enrolled_changed"
  | "not_enrolled"
  | "cohort_full"
  | "bad_signature"
  | "bad_public_key"
  | "duplicate_key"
  | "duplicate_client"
  | "unordered_clients"
  | "own_keys_missing"
  | "wrong_neighbours"
  | "unsafe_graph"
  | "roster_too_small"
  | "roster_too_large"
  | "too_few_survivors"
  | "too_few_neighbours"
  | "self_declared_dead"
  | "revived_peer"
  | "survivors_changed"
  | "too_few_signatures"
  | "wrong_recipients"
  | "wrong_senders"
  | "bad_envelope"
  | "input_length"
  | "conflicting_message"
  | "wrong_index"
  | "chunk_out_of_range"
  | "chunk_length"
  | "value_out_of_range"
  | "incomplete_vector"
  | "vector_root_mismatch"
  | "wrong_shares"
  | "too_few_shares"
  | "unrecoverable_secret"
  | "local_failure"
  | "peer_aborted"
  | "server_aborted"
  | "bad_randomness";

/** The error codes that secure aggregation itself raises during a round. */
export type SecAggCode = "ProtocolAbort" | "UnexpectedMessage" | "BelowThreshold";

/** What a {@link SecAggError} carries besides its sentence. */
export interface SecAggErrorDetails extends ErrorDetails {
  /** The stable reason. */
  readonly reason: AbortReason;
  /** Client ids that are shown, or suspected, to have caused it. */
  readonly blamed?: readonly string[];
  /** Raw messages that show what happened; they are ciphertexts, public keys, sets or signatures, never secrets. */
  readonly evidence?: readonly Uint8Array[];
}

/** A round, or one message of it, was refused. */
export class SecAggError extends FedKimError {
  /** Always `SecAggError`. */
  override readonly name: string = "SecAggError";
  /** The stable reason, also in `details.reason`. */
  readonly reason: AbortReason;
  /** Client ids that are shown, or suspected, to have caused it; empty if none is known. */
  readonly blamed: readonly string[];
  /** Raw messages kept as evidence; empty if there are none. */
  readonly evidence: readonly Uint8Array[];
  readonly #summary: string;

  /**
   * Makes the error.
   * @param code ProtocolAbort, UnexpectedMessage or BelowThreshold
   * @param summary one sentence
   * @param details reason, and found / needed / remedy / blamed / evidence where they apply
   */
  constructor(code: SecAggCode, summary: string, details: SecAggErrorDetails) {
    super(code, summary, details);
    this.#summary = summary;
    this.reason = details.reason;
    this.blamed = details.blamed ?? [];
    this.evidence = details.evidence ?? [];
  }

  /** The same error with raw messages that show what happened, unless it has such messages already. */
  withEvidence(evidence: readonly Uint8Array[]): SecAggError {
    if (this.evidence.length > 0) return this;
    const { reason, blamed } = this;
    return new SecAggError(this.code as SecAggCode, this.#summary, {
      ...this.details,
      reason,
      blamed,
      evidence,
    });
  }
}

/** A `ProtocolAbort` with a reason. */
export function protocolAbort(
  reason: AbortReason,
  summary: string,
  details: Omit<SecAggErrorDetails, "reason"> = {},
): SecAggError {
  return new SecAggError("ProtocolAbort", summary, { ...details, reason });
}

/** A `BelowThreshold`: `found` sites where `needed` are needed. */
export function belowThreshold(
  reason: AbortReason,
  what: string,
  found: number,
  needed: number,
): SecAggError {
  return new SecAggError("BelowThreshold", `Too few ${what}.`, {
    reason,
    found: `${found}`,
    needed: `at least ${needed}`,
    remedy: "start a new round when more sites are reachable; nothing of this one was revealed",
  });
}

/** An `UnexpectedMessage`: this kind of message is not legal in this state. */
export function unexpectedMessage(found: string, expected: string): SecAggError {
  return new SecAggError("UnexpectedMessage", "A message came that is not legal in this state.", {
    reason: "unexpected_message",
    found,
    needed: expected,
    remedy: "send the messages of a session in the order of the protocol",
  });
}
