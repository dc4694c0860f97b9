import { createPlan, type DpPopulation } from "../../src/dp/mod.ts";
import type { FederationPlan } from "../../src/federation/federation_plan.ts";
import { signHoldings } from "../../src/federation/holdings.ts";
import type { SitePolicy } from "../../src/federation/site_policy.ts";
import { toHex } from "../../src/formats/hex.ts";
import { federatedParameters } from "../../src/local/mod.ts";
import { generateIdentity, type Identity } from "../../src/secure_agg/mod.ts";
import { icuSpec } from "./_icu_spec.ts";

export const aggregator = generateIdentity("aggregator");
export const sites: readonly Identity[] = ["a", "b", "c", "d"].map((name) => generateIdentity(name));

/** A local model for one set of vital signs with one task. */
export const spec = icuSpec();

/** A small, valid plan for four sites. */
export function makePlan(epsilon = 4, population: Partial<DpPopulation> = {}): FederationPlan {
  return {
    format: "fedkim-plan/1",
    federation: "test",
    mode: "distributed",
    roster: sites.map((site) => ({
      site: site.id,
      publicKey: toHex(site.publicKey),
      holdings: signHoldings(site, ["icu"]),
    })),
    tasks: ["icu_shock"],
    model: { spec, baseWeights: "0".repeat(64), textTable: "1".repeat(64) },
    dp: createPlan({
      populations: [{ name: "icu", unit: "patient", samplingRate: 0.1, maxGradNorm: 1, ...population }],
      setsAreDisjoint: true,
      neighboring: "add_or_remove_one",
      steps: 10,
      dimension: federatedParameters(spec).dimension,
      cohort: { n: 4, nMin: 3, colluders: 1 },
      maxUnitsPerStep: 1024,
      delta: 1e-5,
      target: { epsilon },
    }),
    secureAggregation: { profile: "strict", threshold: 3, nMin: 3, colluders: 1, chunkCoordinates: 1024 },
  };
}

/** What site `a` allows: the plan above. */
export const policy: SitePolicy = {
  format: "fedkim-policy/1",
  site: "a",
  maxEpsilon: 8,
  delta: 1e-5,
  neighboring: "add_or_remove_one",
  minimumSites: 3,
  colluders: 1,
  peers: Object.fromEntries(sites.map((site) => [site.id, toHex(site.publicKey)])),
  allowedTasks: "all",
};

/** What a site allows that sums with whoever is enrolled. */
export function openPolicy(site: string, maxEpsilon = 8): SitePolicy {
  return { ...policy, site, maxEpsilon, peers: "any" };
}
