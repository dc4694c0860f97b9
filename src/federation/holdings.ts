import { z } from "zod";
import { type Identity, signLabelled, verifyLabelled } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { canonicalJson } from "../formats/canonical_json.ts";
import { fromHex, toHex } from "../formats/hex.ts";
import type { EnrollmentBook } from "./enrollment_book.ts";
import type { FederationPlan } from "./federation_plan.ts";
import { FEWEST_SITES } from "./site_policy.ts";

const LABEL = "fedkim/holdings/1";

/** Form of {@link Holdings}. */
export const HoldingsSchema = z.strictObject({
  sets: z.array(z.string().min(1).max(64)).max(64),
  signature: z.string().regex(/^[0-9a-f]{128}$/),
});

/**
 * Which sets a site holds, as it states itself when it joins: names of dataset folders, also of one whose records are
 * all held out, so that no single patient decides it. The aggregator and every site of the plan read it.
 */
export interface Holdings {
  /** Names, sorted, each once. */
  readonly sets: readonly string[];
  /** Ed25519 by the site over its name and the sets, hexadecimal. */
  readonly signature: string;
}

/** The statement of a site. */
export function signHoldings(site: Identity, sets: Iterable<string>): Holdings {
  const sorted = [...new Set(sets)].sort();
  return { sets: sorted, signature: toHex(signLabelled(site, LABEL, statement(site.id, sorted))) };
}

/** True for a statement that the owner of the key made about this site. */
export function areSigned({ sets, signature }: Holdings, site: string, publicKey: Uint8Array): boolean {
  const bytes = fromHex(signature);
  return bytes !== undefined && verifyLabelled(publicKey, LABEL, statement(site, sets), bytes);
}

function statement(site: string, sets: readonly string[]): Uint8Array {
  return new TextEncoder().encode(canonicalJson({ site, sets }));
}

/**
 * Keeps what a site states at its join; one that states nothing holds nothing.
 * @param kept statements of the sites that have joined
 * @throws FedKimError `AuthenticationError` for a statement that the site has not signed with its present key
 */
export async function takeHoldings(
  book: Pick<EnrollmentBook, "member">,
  kept: Map<string, Holdings>,
  site: string,
  holdings: Holdings | undefined,
): Promise<void> {
  if (holdings === undefined) return void kept.delete(site);
  const member = await book.member(site);
  if (member === undefined || !areSigned(holdings, site, member.publicKey)) {
    const summary = "The statement of the sets held is not signed by the site.";
    throw new FedKimError("AuthenticationError", summary, { remedy: "start the client again" });
  }
  kept.set(site, holdings);
}

/**
 * For each trained set the fewest holders that any sum of the plan can have: those of the roster who state it, less the
 * sites that may be missing from a sum. Where they are few, a sum over many sites is these few sites' data.
 * @param plan an opened plan; a statement that its site has not signed counts for nothing
 */
export function fewestHolders(
  plan: Pick<FederationPlan, "roster" | "dp" | "secureAggregation">,
): ReadonlyMap<string, number> {
  const { roster, dp, secureAggregation: { nMin } } = plan;
  const stated = roster.flatMap(({ site, publicKey, holdings }) => {
    const key = fromHex(publicKey);
    return holdings !== undefined && key !== undefined && areSigned(holdings, site, key)
      ? [new Set(holdings.sets)]
      : [];
  });
  const missing = roster.length - nMin;
  return new Map(dp.request.populations.map(({ name }) => [
    name,
    Math.max(0, stated.filter((sets) => sets.has(name)).length - missing),
  ]));
}

/**
 * Refuses to begin a run that no site would accept.
 * @throws FedKimError `ConfigError`, reason `sub_cohort_too_small`
 */
export function requireHolders(plan: Pick<FederationPlan, "roster" | "dp" | "secureAggregation">): void {
  const scarce = [...fewestHolders(plan)].filter(([, holders]) => holders < FEWEST_SITES);
  if (scarce.length === 0) return;
  throw new FedKimError("ConfigError", "Too few of the sites hold a set that would be trained.", {
    reason: "sub_cohort_too_small",
    found: scarce.map(([set, holders]) => `${set}: a sum could be over ${holders} holders`).join("; "),
    needed: `at least ${FEWEST_SITES} holders in every sum, with ${plan.secureAggregation.nMin} of ` +
      `${plan.roster.length} sites left`,
    remedy: "name the tasks of the other sets in the configuration (tasks), enroll more holders, or raise " +
      "rounds.minimumSites",
  });
}
