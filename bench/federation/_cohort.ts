import { createPlan } from "../../src/dp/mod.ts";
import type { FederationPlan } from "../../src/federation/federation_plan.ts";
import { fromHex, toHex } from "../../src/formats/hex.ts";
import {
  generateIdentity,
  graphParams,
  type Identity,
  identityFromPrivateKey,
} from "../../src/secure_agg/mod.ts";
import { icuSpec } from "../../tests/federation/_icu_spec.ts";

/** Size of a simulated federation; travels to its processes as JSON. */
export interface CohortSize {
  /** Sites. */
  readonly sites: number;
  /** Coordinates of a vector. */
  readonly dimension: number;
  /** Steps to run. */
  readonly rounds: number;
}

/** What a process of sites is told. */
export interface SitesTask {
  /** Folder of the cohort's identities. */
  readonly dir: string;
  /** The whole cohort. */
  readonly cohort: CohortSize;
  /** Where the aggregator listens. */
  readonly url: string;
  /** The aggregator's public key, hexadecimal. */
  readonly key: string;
  /** First site of this process. */
  readonly first: number;
  /** Sites of this process. */
  readonly count: number;
  /** Which masks the sites expand: all, or only their own one. */
  readonly masks: "all" | "own";
  /** True to compute every upload before the first one leaves, and to wait for the word `go`. */
  readonly hold: boolean;
}

/** Names and private keys of a cohort, as they lie in its file. */
type KeyFile = readonly { readonly site: string; readonly privateKey: string }[];

/** Makes fresh identities and writes them where the processes of the cohort read them. */
export async function writeIdentities(file: string, sites: number): Promise<void> {
  const keys: KeyFile = Array.from({ length: sites }, (_, i) => {
    const identity = generateIdentity(`site-${String(i).padStart(4, "0")}`);
    return { site: identity.id, privateKey: toHex(identity.privateKey.reveal()) };
  });
  await Deno.writeTextFile(file, JSON.stringify(keys));
}

/** The identities of a cohort's file. */
export async function readIdentities(file: string): Promise<Identity[]> {
  const keys = JSON.parse(await Deno.readTextFile(file)) as KeyFile;
  return keys.map(({ site, privateKey }) => identityFromPrivateKey(site, fromHex(privateKey)!));
}

/** A model that nobody trains here: the plan has to name one. */
const SPEC = icuSpec();

/** A plan as the aggregator would sign it for this cohort: graph and thresholds of the strict profile. */
export function planOf(
  { sites, dimension, rounds }: CohortSize,
  identities: readonly Identity[],
): FederationPlan {
  const { graph, threshold, nMin } = graphParams({ n: sites, profile: "strict", dimension });
  return {
    format: "fedkim-plan/1",
    federation: "bench",
    mode: "distributed",
    roster: identities.map(({ id, publicKey }) => ({ site: id, publicKey: toHex(publicKey) })),
    tasks: ["icu_shock"],
    model: { spec: SPEC, baseWeights: "0".repeat(64), textTable: "1".repeat(64) },
    dp: createPlan({
      populations: [{ name: "icu", unit: "patient", samplingRate: 0.01, maxGradNorm: 1 }],
      setsAreDisjoint: true,
      neighboring: "add_or_remove_one",
      steps: rounds,
      dimension,
      cohort: { n: sites, nMin, colluders: 1 },
      maxUnitsPerStep: 1024,
      delta: 1e-5,
      target: { epsilon: 8 },
    }),
    secureAggregation: {
      profile: "strict",
      ...(graph.kind === "full" ? {} : { graph }),
      threshold,
      nMin,
      colluders: 1,
      chunkCoordinates: 1 << 20,
    },
  };
}

/** What a site contributes: cheap to make, and different for every site and coordinate. */
export function contribution(site: number, dimension: number): Uint32Array {
  return addContribution(new Uint32Array(dimension), site);
}

/** Adds what a site contributes to a sum, and gives the sum back. */
export function addContribution(sum: Uint32Array, site: number): Uint32Array {
  for (let k = 0; k < sum.length; k++) sum[k] += (site * 31 + k * 7) % 1009;
  return sum;
}
