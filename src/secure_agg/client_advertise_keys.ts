import { checkContext } from "./_client_checks.ts";
import type { ClientAwaitingRoster, ClientContext } from "./client_state.ts";
import { asStep, type Step, type StepNext } from "./client_step.ts";
import { encodeMessage } from "./codec.ts";
import { signLabelled } from "./identity.ts";
import { randomSecret } from "./randomness.ts";
import { SecretBytes } from "./secret_bytes.ts";
import { advertStatement } from "./session.ts";

/**
 * Phase 0: makes two fresh X25519 key pairs for this session and signs them together with the configuration hash
 * (Bonawitz et al. 2017, round 0, active-adversary variant).
 */
export function advertiseKeys(context: ClientContext): Step<ClientAwaitingRoster> {
  return asStep(() => {
    checkContext(context);
    return draftAdvert(context);
  });
}

/** {@link advertiseKeys} for a context that is checked already. */
export function draftAdvert(context: ClientContext): StepNext<ClientAwaitingRoster> {
  const { provider, identity, random, configHash } = context;
  const encryptionSecret = randomSecret(random, 32);
  const maskSecret = randomSecret(random, 32);
  const fields = {
    configHash,
    clientId: identity.id,
    encryptionKey: provider.x25519PublicKey(encryptionSecret),
    maskKey: provider.x25519PublicKey(maskSecret),
  };
  const signature = signLabelled(identity, "advertise_keys", advertStatement(fields), provider);
  const advert = { type: "advertise_keys", ...fields, signature } as const;
  return {
    kind: "next",
    state: {
      kind: "awaiting_roster",
      context,
      advert,
      encryptionSecret: new SecretBytes(encryptionSecret),
      maskSecret: new SecretBytes(maskSecret),
    },
    outbound: encodeMessage(advert),
  };
}
