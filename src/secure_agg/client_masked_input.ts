import type { ClientAwaitingInput, ClientAwaitingSurvivors, ClientAwaitingUnmask } from "./client_state.ts";
import type { StepAbort } from "./client_step.ts";
import { protocolAbort, SecAggError } from "./errors.ts";
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
}

/** The vector must have the agreed length, and every coordinate, read as a signed residue, the agreed bound. */
function checkInput(input: Uint32Array, { dimension, ringBits, coordinateBound }: RoundConfig): void {
  if (input.length !== dimension) {
    throw protocolAbort("input_length", "The site's vector has the wrong length.", {
      found: `${input.length} coordinates`,
      needed: `${dimension}`,
    });
  }
  const mask = ringMask(ringBits);
  const width = 2 * coordinateBound;
  let outside = 0;
  for (let i = 0; i < input.length; i++) {
    const value = input[i];
    // Moved up by the bound, the residues of -bound to bound are 0 to twice the bound.
    if (value > mask || (((value + coordinateBound) & mask) >>> 0) > width) outside++;
  }
  if (outside > 0) {
    throw protocolAbort("input_range", "The site's vector has coordinates outside the agreed bound.", {
      found: `${outside} of ${dimension} coordinates`,
      needed: `residues mod 2^${ringBits} of integers from -${coordinateBound} to ${coordinateBound}`,
      remedy: "clip and scale before encoding; a larger bound needs another plan",
    });
  }
}

/**
 * Phase 2, second half: y = x + PRG(self) + sum over neighbours j in U1 of +-PRG(pair), mod 2^b
 * (Bonawitz et al. 2017, round 2).
 * @param input the vector x, canonical residues mod 2^b; it is masked in place and must not be used again
 */
export async function maskInput(
  state: ClientAwaitingInput,
  input: Uint32Array,
  engine: MaskEngine,
): Promise<MaskedInput | StepAbort> {
  const { context, session, index, identityKeys, shared, held, masks } = state;
  const { config, identity, provider } = context;
  try {
    checkInput(input, config);
  } catch (error) {
    if (error instanceof SecAggError) return { kind: "abort", error };
    throw error;
  }
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
  };
}
