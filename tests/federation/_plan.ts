import { createPlan } from "../../src/dp/mod.ts";
import type { FederationPlan } from "../../src/federation/federation_plan.ts";
import { toHex } from "../../src/formats/hex.ts";
import { generateIdentity, type Identity } from "../../src/secure_agg/mod.ts";

export const aggregator = generateIdentity("aggregator");
export const sites: readonly Identity[] = ["a", "b", "c", "d"].map((name) => generateIdentity(name));

/** A small, valid plan for four sites. */
export function makePlan(epsilon = 4): FederationPlan {
  return {
    format: "fedkim-plan/1",
    federation: "test",
    mode: "distributed",
    roster: sites.map((site) => ({ site: site.id, publicKey: toHex(site.publicKey) })),
    tasks: ["icu_shock"],
    model: {
      spec: {} as FederationPlan["model"]["spec"],
      baseWeights: "0".repeat(64),
      textTable: "1".repeat(64),
    },
    dp: createPlan({
      populations: [{ name: "icu", unit: "patient", samplingRate: 0.1, maxGradNorm: 1 }],
      setsAreDisjoint: true,
      neighboring: "add_or_remove_one",
      steps: 10,
      dimension: 100,
      cohort: { n: 4, nMin: 3, colluders: 1 },
      maxUnitsPerStep: 1024,
      delta: 1e-5,
      target: { epsilon },
    }),
    secureAggregation: { profile: "strict", threshold: 3, nMin: 3, colluders: 1, chunkCoordinates: 1024 },
    unaccounted: [],
  };
}
