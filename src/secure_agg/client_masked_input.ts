import type { ClientAwaitingInput, ClientAwaitingSurvivors, ClientAwaitingUnmask } from "./client_state.ts";
import type { StepAbort } from "./client_step.ts";
import { protocolAbort } from "./errors.ts";
import type { MaskEngine } from "./mask_engine.ts";
import { vectorMessages } from "./masked_vector.ts";
import type { RoundConfig } from "./round_config.ts";
import { reduceRing, ringMask } from "./ring_vector.ts";

/** The masked vector is ready to be frozen and uploaded. */
export interface MaskedInput {
  /** Discriminator. */
  readonly kind: "next";
  /** The state to go on with. */
  readonly state: ClientAwaitingSurvivors | ClientAwaitingUnmask;
  /** Chunk messages, then the commit message. Store them before the first one leaves; never make them anew. */
  readonly upload: Iterable<Uint8Array>;
  /** Coordinates that lay outside the agreed bound and were taken to it: for the site alone, never for the server. */
  readonly saturated: number;
}

/**
 * Takes every coordinate, read as a signed residue mod 2^b, to the nearest value within the agreed bound, and counts
 * those that lay outside. A site that gave up instead would show the server something about its records.
 */
function saturate(words: Uint32Array, { ringBits, coordinateBound }: RoundConfig): number {
  const mask = ringMask(ringBits);
  const shift = 32 - ringBits;
  let outside = 0;
  for (let i = 0; i < words.length; i++) {
    const value = words[i] << shift >> shift;
    const within = Math.max(-coordinateBound, Math.min(coordinateBound, value));
    outside += Number(words[i] > mask || within !== value);
    words[i] = within & mask;
  }
  return outside;
}

/**
 * Phase 2, second half: y = x + PRG(self) + sum over neighbours j in U1 of +-PRG(pair), mod 2^b
 * (Bonawitz et al. 2017, round 2).
 * @param input the vector x, canonical residues mod 2^b within the agreed bound: the caller sees to that, and what lies
 * outside is taken to the bound. It is masked in place and must not be used again
 */
export async function maskInput(
  state: ClientAwaitingInput,
  input: Uint32Array,
  engine: MaskEngine,
): Promise<MaskedInput | StepAbort> {
  const { context, session, index, identityKeys, shared, held, masks } = state;
  const { config, identity, provider } = context;
  if (input.length !== config.dimension) {
    const error = protocolAbort("input_length", "The site's vector has the wrong length.", {
      found: `${input.length} coordinates`,
      needed: `${config.dimension}`,
    });
    return { kind: "abort", error };
  }
  const saturated = saturate(input, config);
  await engine.apply(input, masks.map(({ key, negate }) => ({ key: key.reveal(), negate })), 0);
  for (const mask of masks) mask.key.wipe();
  reduceRing(input, config.ringBits);
  const upload = vectorMessages({ config, sid: session.sid, index, shared, identity, provider }, input);
  const frozen = { context, session, index, identityKeys, shared, held };
  return {
    kind: "next",
    state: config.profile === "strict"
      ? { kind: "awaiting_survivors", ...frozen }
      : { kind: "awaiting_unmask", ...frozen, signed: undefined },
    upload,
    saturated,
  };
}
