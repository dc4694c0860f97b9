import assert from "node:assert/strict";
import type {
  ClientAwaitingRoster,
  ClientAwaitingShares,
  ClientAwaitingSurvivors,
  ClientAwaitingUnmask,
  ClientDone,
  DeliverSharesMessage,
  RosterMessage,
  SurvivorsMessage,
  UnmaskRequestMessage,
} from "../../src/secure_agg/mod.ts";
import { receiveShares, shareKeys, signSurvivors, unmask } from "../../src/secure_agg/mod.ts";

/** Never called: the compiler is the test. An unused `@ts-expect-error` is a compile error itself. */
export function illegalCalls(
  states: {
    roster: ClientAwaitingRoster;
    shares: ClientAwaitingShares;
    survivors: ClientAwaitingSurvivors;
    unmasking: ClientAwaitingUnmask;
    done: ClientDone;
  },
  messages: {
    roster: RosterMessage;
    deliver: DeliverSharesMessage;
    survivors: SurvivorsMessage;
    request: UnmaskRequestMessage;
  },
): void {
  shareKeys(states.roster, messages.roster);
  receiveShares(states.shares, messages.deliver);
  signSurvivors(states.survivors, messages.survivors);
  unmask(states.unmasking, messages.request);
  // @ts-expect-error keys are shared once
  shareKeys(states.shares, messages.roster);
  // @ts-expect-error no shares before the roster
  receiveShares(states.roster, messages.deliver);
  // @ts-expect-error in `strict`, nothing is unmasked before the survivors are signed
  unmask(states.survivors, messages.request);
  // @ts-expect-error survivors are signed once
  signSurvivors(states.unmasking, messages.survivors);
  // @ts-expect-error there is one unmask answer per session
  unmask(states.done, messages.request);
  // @ts-expect-error an announcement of survivors is not a request to unmask
  unmask(states.unmasking, messages.survivors);
  // @ts-expect-error a request to unmask is not to be signed
  signSurvivors(states.survivors, messages.request);
}

Deno.test("a phase called out of order does not compile", () => {
  assert.equal(illegalCalls.length, 2);
});
