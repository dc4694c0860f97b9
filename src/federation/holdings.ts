import { z } from "zod";
import { type Identity, signLabelled, verifyLabelled } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { canonicalJson } from "../formats/canonical_json.ts";
import { fromHex, toHex } from "../formats/hex.ts";
import { heldOutName, MOST_POPULATIONS, POPULATION_NAME } from "../formats/set_name.ts";
import type { EnrollmentBook } from "./enrollment_book.ts";
import type { FederationPlan } from "./federation_plan.ts";
import { FEWEST_SITES } from "./site_policy.ts";

const LABEL = "fedkim/holdings/1";

/** What says who is summed. */
type Summed = Pick<FederationPlan, "roster" | "dp" | "evaluation" | "secureAggregation">;

/** Form of {@link Holdings}. */
export const HoldingsSchema = z.strictObject({
  sets: z.array(z.string().regex(POPULATION_NAME)).max(MOST_POPULATIONS),
  signature: z.string().regex(/^[0-9a-f]{128}$/),
});

/**
 * Which sets a site holds, and of which it holds patients out, as it states itself when it joins. Both follow from its
 * dataset folders and its configuration alone, also where all patients are held out or, by chance, none, so that no
 * single patient decides it. The aggregator and every site of the plan read it.
 */
export interface Holdings {
  /** Names of populations, see {@link populationsHeld}, sorted, each once. */
  readonly sets: readonly string[];
  /** Ed25519 by the site over its name and the sets, hexadecimal. */
  readonly signature: string;
}

/**
 * Populations of a site's sets, under the names that plans and ledgers know them by.
 * @param sets names of its dataset folders
 * @param holdsOut whether its configuration holds a share of the patients out
 */
export function populationsHeld(sets: readonly string[], holdsOut: boolean): string[] {
  return sets.flatMap((set) => holdsOut ? [set, heldOutName(set)] : [set]);
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
 * For each population, trained or evaluated, the fewest holders that any sum of the plan can have: those of the roster
 * who state it, less the sites that may be missing from a sum. Where they are few, a sum over many sites is these few
 * sites' data.
 * @param plan an opened plan; a statement that its site has not signed counts for nothing
 */
export function fewestHolders(plan: Summed): ReadonlyMap<string, number> {
  const { roster, dp, evaluation, secureAggregation: { nMin } } = plan;
  const stated = roster.flatMap(({ site, publicKey, holdings }) => {
    const key = fromHex(publicKey);
    return holdings !== undefined && key !== undefined && areSigned(holdings, site, key)
      ? [new Set(holdings.sets)]
      : [];
  });
  const missing = roster.length - nMin;
  const populations = [dp, ...evaluation === undefined ? [] : [evaluation.dp]].flatMap(({ request }) =>
    request.populations
  );
  return new Map(populations.map(({ name }) => [
    name,
    Math.max(0, stated.filter((sets) => sets.has(name)).length - missing),
  ]));
}

/**
 * Refuses to begin a run that no site would accept.
 * @throws FedKimError `ConfigError`, reason `sub_cohort_too_small`
 */
export function requireHolders(plan: Summed): void {
  const scarce = [...fewestHolders(plan)].filter(([, holders]) => holders < FEWEST_SITES);
  if (scarce.length === 0) return;
  throw new FedKimError(
    "ConfigError",
    "Too few of the sites hold a set, or held-out patients of one, that would be summed.",
    {
      reason: "sub_cohort_too_small",
      found: scarce.map(([set, holders]) => `${set}: a sum could be over ${holders} holders`).join("; "),
      needed: `at least ${FEWEST_SITES} holders in every sum, with ${plan.secureAggregation.nMin} of ` +
        `${plan.roster.length} sites left`,
      remedy:
        "name the tasks of the other sets in the configuration (tasks, evaluation.tasks), leave the evaluation " +
        "out, enroll more holders or have more sites hold patients out (heldOut), or raise rounds.minimumSites",
    },
  );
}
