import { checkSession, checkSurvivors } from "./_client_checks.ts";
import type { ClientAwaitingSurvivors, ClientAwaitingUnmask } from "./client_state.ts";
import { asStep, type Step } from "./client_step.ts";
import { encodeMessage } from "./codec.ts";
import { signLabelled } from "./identity.ts";
import type { SurvivorsMessage } from "./messages.ts";
import { transcriptHash } from "./transcript.ts";

/**
 * Phase 3, `strict` only: signs the one survivor set that this site will ever help to unmask
 * (Bonawitz et al. 2017, consistency check).
 */
export function signSurvivors(
  state: ClientAwaitingSurvivors,
  message: SurvivorsMessage,
): Step<ClientAwaitingUnmask> {
  return asStep(() => {
    const { context, session, index, shared } = state;
    const { provider, identity } = context;
    checkSession(session, message.sid);
    checkSurvivors(state, message.survivors);
    const transcript = transcriptHash(provider, { ...message, sid: session.sid, shared });
    const signature = signLabelled(identity, "sign_survivors", transcript, provider);
    return {
      kind: "next",
      state: { ...state, kind: "awaiting_unmask", signed: transcript },
      outbound: encodeMessage({ type: "sign_survivors", sid: session.sid, index, signature }),
    };
  });
}
