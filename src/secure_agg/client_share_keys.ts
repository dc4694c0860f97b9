import { ByteWriter } from "./_byte_codec.ts";
import { concatBytes, equalBytes } from "./_bytes.ts";
import { checkNeighbours, readRoster, type VerifiedRoster } from "./_client_roster.ts";
import type { ClientAwaitingRoster, ClientAwaitingShares, HeldShares, Peer } from "./client_state.ts";
import { asStep, type Step, type StepNext } from "./client_step.ts";
import { encodeMessage } from "./codec.ts";
import { protocolAbort } from "./errors.ts";
import { signLabelled } from "./identity.ts";
import { ENVELOPE_NONCE, envelopeAad, envelopeKey, maskSeedCommitment } from "./key_schedule.ts";
import type { RosterMessage, ShareCiphertext, ShareKeysMessage } from "./messages.ts";
import { randomSecret } from "./randomness.ts";
import { SecretBytes } from "./secret_bytes.ts";
import { splitSecret } from "./shamir.ts";

/** The bytes of a share message that its signature covers. */
export function sharesStatement(message: Omit<ShareKeysMessage, "signature" | "type">): Uint8Array {
  const writer = new ByteWriter();
  writer.raw(message.sid).uint(2, message.index).raw(message.commitment);
  for (const { peer, ciphertext } of message.ciphertexts) writer.uint(2, peer).raw(ciphertext);
  return writer.finish();
}

/**
 * Phase 1: verifies the roster, computes the session id, draws the self-mask seed b, and sends every neighbour its
 * encrypted shares of b and of the secret mask key (Bonawitz et al. 2017, round 1).
 */
export function shareKeys(state: ClientAwaitingRoster, message: RosterMessage): Step<ClientAwaitingShares> {
  return asStep(() => {
    return dealShares(state, checkNeighbours(state, readRoster(state, message)));
  });
}

/** X25519 secrets with all neighbours, by index. Nothing is dealt before every one of them is known to be good. */
function agreeWithAll(
  { context, encryptionSecret }: ClientAwaitingRoster,
  adverts: VerifiedRoster["adverts"],
): Map<number, Uint8Array> {
  const keys = [...adverts.values()].map((advert) => advert.encryptionKey);
  const secrets = keys.map(context.provider.x25519(encryptionSecret.reveal()));
  const agreed = new Map<number, Uint8Array>();
  let next = 0;
  for (const [peer, advert] of adverts) {
    const shared = secrets[next++];
    if (shared === undefined) {
      for (const secret of secrets) secret?.fill(0);
      throw protocolAbort("bad_public_key", "A site advertised a key of low order.", {
        blamed: [advert.clientId],
        evidence: [encodeMessage(advert)],
      });
    }
    agreed.set(peer, shared);
  }
  return agreed;
}

/** b, which must be fresh: a source that repeats itself would make b, which is revealed, equal to a secret that is not. */
function drawMaskSeed({ context, encryptionSecret, maskSecret }: ClientAwaitingRoster): Uint8Array {
  const maskSeed = randomSecret(context.random, 32);
  if ([encryptionSecret, maskSecret].some((secret) => equalBytes(secret.reveal(), maskSeed))) {
    throw protocolAbort("bad_randomness", "The source of random bytes repeats itself.", {
      remedy: "check the operating system's random number generator before any secret is made",
    });
  }
  return maskSeed;
}

/** {@link shareKeys} once the roster is verified. */
export function dealShares(
  state: ClientAwaitingRoster,
  { session, index, adverts }: VerifiedRoster,
): StepNext<ClientAwaitingShares> {
  const { context, maskSecret } = state;
  const { provider, config, random } = context;
  const { sid } = session;
  const maskSeed = drawMaskSeed(state);
  const commitment = maskSeedCommitment(provider, sid, index, maskSeed);
  const closed = session.graph.closed(index);
  const agreed = agreeWithAll(state, adverts);
  const seedShares = splitSecret(maskSeed, config.threshold, closed.length, random);
  const keyShares = splitSecret(maskSecret.reveal(), config.threshold, closed.length, random);
  const peers = new Map<number, Peer>();
  const ciphertexts: ShareCiphertext[] = [];
  let ownShares: HeldShares | undefined;
  closed.forEach((peer, rank) => {
    if (peer === index) {
      ownShares = { maskSeed: new SecretBytes(seedShares[rank]), maskKey: new SecretBytes(keyShares[rank]) };
      return;
    }
    const advert = adverts.get(peer)!;
    const shared = agreed.get(peer)!;
    const key = envelopeKey(provider, sid, shared, index, peer);
    const plaintext = concatBytes(seedShares[rank], keyShares[rank]);
    const aad = envelopeAad(sid, index, peer, commitment, state.advert.maskKey);
    ciphertexts.push({ peer, ciphertext: provider.seal(key, ENVELOPE_NONCE, aad, plaintext) });
    peers.set(peer, {
      clientId: advert.clientId,
      identityKey: context.enrolled.get(advert.clientId)!,
      maskKey: advert.maskKey,
      inboundKey: new SecretBytes(envelopeKey(provider, sid, shared, peer, index)),
    });
    for (const secret of [key, plaintext, shared, seedShares[rank], keyShares[rank]]) secret.fill(0);
  });
  state.encryptionSecret.wipe();
  const fields = { sid, index, commitment, ciphertexts };
  const signature = signLabelled(context.identity, "share_keys", sharesStatement(fields), provider);
  return {
    kind: "next",
    state: {
      kind: "awaiting_shares",
      context,
      session,
      index,
      peers,
      maskSecret,
      maskSeed: new SecretBytes(maskSeed),
      ownShares: ownShares!,
    },
    outbound: encodeMessage({ type: "share_keys", ...fields, signature }),
  };
}
