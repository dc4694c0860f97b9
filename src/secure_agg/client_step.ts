import { SecAggError } from "./errors.ts";

/** A phase went well: the next state and the message to send. */
export interface StepNext<State> {
  /** Discriminator. */
  readonly kind: "next";
  /** The state to go on with; the old one must not be used again. */
  readonly state: State;
  /** The one message to send. */
  readonly outbound: Uint8Array;
}

/** A phase refused. */
export interface StepAbort {
  /** Discriminator. */
  readonly kind: "abort";
  /** Why, with evidence. */
  readonly error: SecAggError;
}

/** What a phase of the client gives. */
export type Step<State> = StepNext<State> | StepAbort;

/** Runs a phase and turns the refusals of its guards into an abort; anything else is a defect and passes through. */
export function asStep<T>(run: () => T): T | StepAbort {
  try {
    return run();
  } catch (error) {
    if (error instanceof SecAggError) return { kind: "abort", error };
    throw error;
  }
}
