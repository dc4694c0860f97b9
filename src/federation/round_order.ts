import { z } from "zod";
import {
  decodeRoundConfig,
  encodeRoundConfig,
  type Enrolled,
  enrolledHash,
  type Identity,
  makeRoundConfig,
  type RoundConfig,
  signLabelled,
  verifyLabelled,
} from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { fromHex, toHex } from "../formats/hex.ts";
import { evaluationAt, type FederationPlan, federationPlanHash, lastRound } from "./federation_plan.ts";

const LABEL = "fedkim/round/1";
const OrderSchema = z.strictObject({
  format: z.literal("fedkim-round/1"),
  config: z.string(),
  signature: z.string(),
});

/** Keys of every site of a plan, as secure aggregation wants them. */
export function rosterOf(plan: FederationPlan): Enrolled {
  return enrolledOf(plan).keys;
}

/** Keys of a plan and their hash, worked out once for each plan. */
function enrolledOf(plan: FederationPlan): { readonly keys: Enrolled; readonly hash: Uint8Array } {
  let found = ROSTERS.get(plan);
  if (found === undefined) {
    const keys = new Map(plan.roster.map((entry) => [entry.site, fromHex(entry.publicKey)!]));
    found = { keys, hash: enrolledHash(keys) };
    ROSTERS.set(plan, found);
  }
  return found;
}

const ROSTERS = new WeakMap<FederationPlan, { readonly keys: Enrolled; readonly hash: Uint8Array }>();

/**
 * The secure-aggregation configuration of one step: everything but step number and model comes from the signed plan,
 * so that no later message can weaken it.
 */
export function roundConfigOf(plan: FederationPlan, round: number, modelHash: string): RoundConfig {
  const { profile, graph, threshold, nMin, colluders, chunkCoordinates } = plan.secureAggregation;
  const { request, encoding } = (evaluationAt(plan, round) ?? plan).dp;
  return makeRoundConfig({
    taskId: plan.federation,
    roundId: round,
    profile,
    graph: graph ?? { kind: "full" },
    threshold,
    nMin,
    nMax: plan.roster.length,
    colluders,
    enrolledHash: enrolledOf(plan).hash,
    modelHash: fromHex(modelHash)!,
    planHash: fromHex(federationPlanHash(plan))!,
    dimension: request.dimension,
    ringBits: encoding.ringBits,
    wireForm: "word32",
    chunkCoordinates,
    coordinateBound: Math.floor((2 ** (encoding.ringBits - 1) - 1) / plan.roster.length),
  });
}

/** The signed order for one step, as bytes to send. */
export function sealRoundOrder(config: RoundConfig, identity: Identity): Uint8Array {
  const bytes = encodeRoundConfig(config);
  const order: z.infer<typeof OrderSchema> = {
    format: "fedkim-round/1",
    config: toHex(bytes),
    signature: toHex(signLabelled(identity, LABEL, bytes)),
  };
  return new TextEncoder().encode(JSON.stringify(order));
}

/**
 * Opens a round order: checks the aggregator's signature and that the configuration is exactly the one that the plan
 * gives for this step and model.
 * @throws FedKimError `FormatError`, `AuthenticationError` or `PolicyRefused`
 */
export function openRoundOrder(
  bytes: Uint8Array,
  aggregatorPublicKey: Uint8Array,
  plan: FederationPlan,
): RoundConfig {
  const order = parseOrder(bytes);
  const config = fromHex(order.config);
  const signature = fromHex(order.signature);
  if (
    config === undefined || signature === undefined ||
    !verifyLabelled(aggregatorPublicKey, LABEL, config, signature)
  ) {
    throw new FedKimError("AuthenticationError", "A round order is not signed by this site's aggregator.");
  }
  const decoded = decodeRoundConfig(config);
  const wanted = encodeRoundConfig(roundConfigOf(plan, decoded.roundId, toHex(decoded.modelHash)));
  if (toHex(wanted) !== order.config || decoded.roundId < 1 || decoded.roundId > lastRound(plan)) {
    throw new FedKimError("PolicyRefused", "A round order does not follow the plan.", {
      reason: "order_not_in_plan",
      found: `step ${decoded.roundId}`,
      needed: `a step from 1 to ${lastRound(plan)} with the plan's own parameters`,
      remedy: "tell the consortium",
    });
  }
  return decoded;
}

function parseOrder(bytes: Uint8Array): z.infer<typeof OrderSchema> {
  try {
    return OrderSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new FedKimError("FormatError", "A round order is malformed.", {
      needed: "a fedkim-round/1 of the same FedKIM version",
      cause,
    });
  }
}
