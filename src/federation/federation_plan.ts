import { z } from "zod";
import { type DpPlan, parsePlan } from "../dp/mod.ts";
import { type LocalModelSpec, parseLocalModelSpec } from "../local/mod.ts";
import { type Graph, type Identity, signLabelled, verifyLabelled } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { canonicalJson, sha256Hex } from "../formats/canonical_json.ts";
import { fromHex, toHex } from "../formats/hex.ts";
import { type Holdings, HoldingsSchema } from "./holdings.ts";
import { type LocalSchedule, LocalScheduleSchema } from "./local_schedule.ts";
import { type EvaluationPlan, parseEvaluationPlan } from "./site_evaluation/mod.ts";

const LABEL = "fedkim/plan/1";
const hash = z.string().regex(/^[0-9a-f]{64}$/);

const PlanBase = z.strictObject({
  format: z.literal("fedkim-plan/1"),
  federation: z.string(),
  run: z.string().regex(/^[0-9a-f]{32}$/).exactOptional(),
  roster: z.array(z.strictObject({
    site: z.string(),
    publicKey: hash,
    holdings: HoldingsSchema.exactOptional(),
  })).min(3),
  tasks: z.array(z.string()).min(1),
  model: z.strictObject({ spec: z.unknown(), baseWeights: hash, textTable: hash }),
  dp: z.unknown(),
  evaluation: z.unknown().optional(),
  secureAggregation: z.strictObject({
    profile: z.literal("strict"),
    graph: z.discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("full") }),
      z.strictObject({ kind: z.literal("ring"), degree: z.number().int().min(2) }),
    ]).exactOptional(),
    threshold: z.number().int().min(2),
    nMin: z.number().int().min(3),
    colluders: z.number().int().min(1),
    chunkCoordinates: z.number().int().min(16),
  }),
});

const PlanSchema = z.discriminatedUnion("mode", [
  PlanBase.extend({ mode: z.literal("distributed") }),
  PlanBase.extend({ mode: z.literal("local"), local: LocalScheduleSchema }),
]);

/**
 * What one aggregation is. `distributed`: one DP-SGD step over the union of all sites, each adding a share of the noise.
 * `local`: every site trains for some steps of DP-SGD with the whole noise in each, then the clipped changes of the
 * model are summed (McMahan et al. 2017 with the guarantee of Abadi et al. 2016).
 */
export type TrainingMode =
  | { readonly mode: "distributed" }
  | {
    readonly mode: "local";
    /** What sites do between two aggregations. */
    readonly local: LocalSchedule;
  };

/** A plan whose sites train by themselves between two aggregations. */
export type LocalPlan = FederationPlan & { readonly mode: "local" };

/**
 * Everything that a federation will do, signed once by the aggregator before the first step: who takes part, which
 * tasks and model, the whole differential-privacy schedule, and how sums are formed. Sites accept or refuse it as one.
 */
export type FederationPlan = PlanTerms & TrainingMode;

/** What plans of both modes state. */
export interface PlanTerms {
  /** Format and version. */
  readonly format: "fedkim-plan/1";
  /** Name of the federation. */
  readonly federation: string;
  /** 16 random bytes, hexadecimal: two runs with the same settings are two plans. */
  readonly run?: string;
  /** Sites, their Ed25519 public keys, hexadecimal, and which sets they state to hold. */
  readonly roster: readonly {
    readonly site: string;
    readonly publicKey: string;
    readonly holdings?: Holdings;
  }[];
  /** Names of the trained tasks. */
  readonly tasks: readonly string[];
  /** The local model: its description and the hashes of the artefacts that complete it. */
  readonly model: {
    /** Modalities, layers, tasks and federated parameters. */
    readonly spec: LocalModelSpec;
    /** SHA-256 of the public-pretrained weights (safetensors). */
    readonly baseWeights: string;
    /** SHA-256 of the tokenizer and embedding table that the text encoder uses. */
    readonly textTable: string;
  };
  /** Noise, clipping, sampling and the schedule of events. */
  readonly dp: DpPlan;
  /** The evaluation on held-out patients that follows the last step; absent where there is none. */
  readonly evaluation?: EvaluationPlan;
  /** How sums are formed. */
  readonly secureAggregation: {
    /** Survivor signatures are always collected: distributed noise depends on them. */
    readonly profile: "strict";
    /** Who shares secrets and masks with whom; everybody with everybody where it is left out. */
    readonly graph?: Graph;
    /** Shares needed to reconstruct a secret. */
    readonly threshold: number;
    /** Fewest sites whose sum is revealed. */
    readonly nMin: number;
    /** Colluding sites assumed. */
    readonly colluders: number;
    /** Coordinates per upload chunk. */
    readonly chunkCoordinates: number;
  };
}

/** Number of the last secure aggregation: that of the evaluation where there is one, otherwise of the last step. */
export function lastRound({ dp, evaluation }: Pick<FederationPlan, "dp" | "evaluation">): number {
  return dp.request.steps + (evaluation === undefined ? 0 : 1);
}

/** The evaluation, where this round is it. */
export function evaluationAt(plan: FederationPlan, round: number): EvaluationPlan | undefined {
  return round === plan.dp.request.steps + 1 ? plan.evaluation : undefined;
}

/** The plan's hash: SHA-256 over its canonical JSON, hexadecimal. Every step's configuration carries it. */
export function federationPlanHash(plan: FederationPlan): string {
  const known = HASHES.get(plan);
  if (known !== undefined) return known;
  const hash = sha256Hex(canonicalJson(plan));
  HASHES.set(plan, hash);
  return hash;
}

/** Hashes of plans, which never change: one of a thousand sites takes long to write out at every step. */
const HASHES = new WeakMap<FederationPlan, string>();

/** The plan with the aggregator's signature, as bytes to send. */
export function sealPlan(plan: FederationPlan, identity: Identity): Uint8Array {
  const text = canonicalJson(plan);
  const signature = signLabelled(identity, LABEL, new TextEncoder().encode(text));
  return new TextEncoder().encode(JSON.stringify({ plan: JSON.parse(text), signature: toHex(signature) }));
}

/**
 * Opens a sealed plan: checks the pinned aggregator's signature and recomputes every privacy number.
 * @throws FedKimError `AuthenticationError` for a wrong signature, `PolicyRefused` or `FormatError` for a wrong plan
 */
export function openPlan(bytes: Uint8Array, aggregatorPublicKey: Uint8Array): FederationPlan {
  const sealed = unsealed(bytes);
  const signature = fromHex(sealed.signature);
  const { text } = sealed;
  if (signature === undefined || !verifyLabelled(aggregatorPublicKey, LABEL, text, signature)) {
    throw new FedKimError(
      "AuthenticationError",
      "The plan is not signed by the aggregator that this site enrolled with.",
      {
        remedy: "tell the consortium; do not enroll anew before its key is confirmed",
      },
    );
  }
  const parsed = PlanSchema.safeParse(sealed.plan);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new FedKimError("FormatError", "The plan does not have the form of this version.", {
      found: `${issue.path.join(".")}: ${issue.message}`,
      needed: "a fedkim-plan/1 of the same FedKIM version",
    });
  }
  const { model, evaluation, ...terms } = parsed.data;
  return {
    ...terms,
    ...(evaluation === undefined ? {} : { evaluation: parseEvaluationPlan(evaluation) }),
    dp: parsePlan(parsed.data.dp),
    model: { ...model, spec: parseLocalModelSpec(model.spec) },
  };
}

const SealedSchema = z.object({ plan: z.unknown(), signature: z.string() });

/** A sealed plan and the bytes that are signed. */
function unsealed(bytes: Uint8Array): { plan: unknown; text: Uint8Array; signature: string } {
  try {
    const { plan, signature } = SealedSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
    return { plan, text: new TextEncoder().encode(canonicalJson(plan ?? null)), signature };
  } catch (cause) {
    // Also a plan that is nested so deeply that nothing can be done with it.
    throw new FedKimError("FormatError", "The plan is not a signed JSON text.", { cause });
  }
}
