import { z } from "zod";
import { type Identity, signLabelled, verifyLabelled } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { canonicalJson } from "../formats/canonical_json.ts";
import { writeDurable } from "../formats/durable_file.ts";
import { fromHex, toHex } from "../formats/hex.ts";

const LABEL = "fedkim/policy/1";

/** What a site allows; read only from its own disk, never from anything that it receives. */
export interface SitePolicy {
  /** Format and version. */
  readonly format: "fedkim-policy/1";
  /** Name of the site. */
  readonly site: string;
  /** Largest epsilon of any privacy unit, against `colluders` other sites and the aggregator. */
  readonly maxEpsilon: number;
  /** At this delta. */
  readonly delta: number;
  /** Neighbouring relation. */
  readonly neighboring: "add_or_remove_one";
  /** Smallest cohort whose sum may be revealed. */
  readonly minimumSites: number;
  /** Colluding sites that the noise must at least assume. */
  readonly colluders: number;
  /** Public keys (hexadecimal) of the sites that this one will be summed with, or `any` that the aggregator enrolled. */
  readonly peers: "any" | Readonly<Record<string, string>>;
  /** Tasks that may be trained here. */
  readonly allowedTasks: "all" | readonly string[];
  /** What an evaluation on held-out patients may cost and show; without it none is allowed. */
  readonly evaluation?: {
    /** Largest epsilon of a held-out unit, at the policy's delta. */
    readonly maxEpsilon: number;
    /** Smallest noisy count of a group whose results may be reported. */
    readonly minimumCount: number;
  };
}

/** Fewest sites that a sum may have. */
export const FEWEST_SITES = 3;

const PolicySchema: z.ZodType<SitePolicy> = z.strictObject({
  format: z.literal("fedkim-policy/1"),
  site: z.string(),
  maxEpsilon: z.number().gt(0),
  delta: z.number().gt(0).lt(1),
  neighboring: z.literal("add_or_remove_one"),
  minimumSites: z.number().int().min(FEWEST_SITES),
  colluders: z.number().int().min(1),
  peers: z.union([z.literal("any"), z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/))]),
  allowedTasks: z.union([z.literal("all"), z.array(z.string())]),
  evaluation: z.strictObject({
    maxEpsilon: z.number().gt(0),
    minimumCount: z.number().int().min(1),
  }).exactOptional(),
});

/** Signs and stores a policy. */
export async function writePolicy(path: string, policy: SitePolicy, identity: Identity): Promise<void> {
  const checked = PolicySchema.safeParse(policy);
  if (!checked.success) {
    throw new FedKimError("ConfigError", "The policy is not valid.", {
      found: checked.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; "),
    });
  }
  const signature = signLabelled(identity, LABEL, policyBytes(policy));
  await writeDurable(path, JSON.stringify({ policy, signature: toHex(signature) }, null, 2));
}

/** Reads a site's policy and checks its own signature. @throws FedKimError `PolicyRefused` */
export async function readPolicy(path: string, identity: Identity): Promise<SitePolicy> {
  let found = path;
  try {
    const file = JSON.parse(await Deno.readTextFile(path)) as { policy: unknown; signature: unknown };
    const policy = PolicySchema.parse(file.policy);
    const signature = fromHex(String(file.signature));
    if (
      policy.site === identity.id && signature !== undefined &&
      verifyLabelled(identity.publicKey, LABEL, policyBytes(policy), signature)
    ) return policy;
    found = `${path}: it is not signed by this site`;
  } catch (error) {
    found = `${path}: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`;
  }
  throw new FedKimError("PolicyRefused", "This site has no valid policy, so it takes part in nothing.", {
    found,
    needed: "a policy signed by this site's identity",
    remedy: "write one: fedkim policy --state DIR --epsilon 8 --delta 1e-5 --minimum-sites 3",
  });
}

function policyBytes(policy: SitePolicy): Uint8Array {
  return new TextEncoder().encode(canonicalJson(policy));
}
