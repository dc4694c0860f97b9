import assert from "node:assert/strict";
import {
  decodeMessage,
  encodeMessage,
  type SecAggError,
  type ServerMessage,
} from "../../src/secure_agg/mod.ts";
import { type Cohort, cohort, type RoundOptions, runRound } from "./_harness.ts";

/** What a lying server makes of its message to site i. */
export type Tamper = (message: ServerMessage, i: number) => ServerMessage | undefined;

/** Runs a round in which the server's messages are changed, and gives the error of site 0. */
export async function refusalOfSite0(
  c: Cohort,
  tamper: Tamper,
  options: RoundOptions = {},
): Promise<SecAggError> {
  const { steps, server } = await runRound(c, {
    ...options,
    toClient: (bytes, i) => {
      const changed = tamper(decodeMessage(bytes) as ServerMessage, i);
      return changed && encodeMessage(changed);
    },
  });
  const step = steps[0];
  assert.ok(step?.kind === "abort", "site 0 went along");
  const told = [...step.outbound].map(decodeMessage);
  assert.ok(told.every((message) => message.type === "abort" && message.reason === step.error.reason));
  assert.ok(server.answered.length === 0 || !server.answered.includes("s000"));
  return step.error;
}

/** Site 0 refuses the changed message for this reason. */
export async function refuses(
  tamper: Tamper,
  reason: string,
  code = "ProtocolAbort",
  c = cohort(5),
): Promise<SecAggError> {
  const error = await refusalOfSite0(c, tamper);
  assert.equal(error.reason, reason);
  assert.equal(error.code, code);
  return error;
}
