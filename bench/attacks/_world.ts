import {
  composeSite,
  createSpec,
  type DatasetRecord,
  federatedParameters,
  loadDataset,
  type LocalModelSpec,
  type LocalWeights,
  prepareFeatures,
  pretrainOnPublic,
  type SetFeatures,
  type SiteData,
} from "../../src/local/mod.ts";
import { createPlan, type DpPlan } from "../../src/dp/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";

/** The set whose images are attacked. */
export const SET = "cxr";
/** Its task. */
export const TASK = "cxr_pneumonia";
/** Clip bound C, the product's default. */
export const CLIP = 0.1;
/** Poisson rate, the product's default. */
export const RATE = 0.2;
const SITES = ["site-midwest", "site-south", "site-west", "site-northeast"];

/** Records and features of one part. */
export interface Part {
  /** Records, in the order of the features' rows. */
  readonly records: readonly DatasetRecord[];
  /** Frozen features. */
  readonly features: SetFeatures;
}

/** Chest X-rays of four hospitals, a public set and a test set; a model that has seen public data only. */
export interface World {
  /** The product's default model for the set. */
  readonly spec: LocalModelSpec;
  /** After public pre-training. */
  readonly start: LocalWeights;
  /** Number of shared parameters d. */
  readonly dimension: number;
  /** Hospitals. */
  readonly sites: readonly Part[];
  /** The server's own. */
  readonly publicPart: Part;
  /** What models are judged on. */
  readonly test: Part;
  /** Features of changed records. */
  prepare(records: readonly DatasetRecord[]): SetFeatures;
}

/** Loads the world. @param data folder of the federation */
export async function loadWorld(data: string): Promise<World> {
  await selectBackend("wasm");
  const load = async (part: string): Promise<SiteData> =>
    composeSite(part, part, [await loadDataset(`${data}/${part}/${SET}`)]);
  const publicData = await load("public");
  const spec = createSpec(publicData, [TASK]);
  const start = await pretrainOnPublic(spec, publicData, undefined, { seed: 1 });
  const featuresOf = (site: SiteData): SetFeatures =>
    prepareFeatures(spec, start, site, undefined).sets.get(SET) as SetFeatures;
  const partOf = (site: SiteData): Part => ({ records: site.sets[0].records, features: featuresOf(site) });
  const sites = [];
  for (const site of SITES) sites.push(partOf(await load(site)));
  const { manifest } = publicData.sets[0];
  return {
    spec,
    start,
    dimension: federatedParameters(spec).dimension,
    sites,
    publicPart: partOf(publicData),
    test: partOf(await load("test")),
    prepare: (records) =>
      featuresOf(composeSite("made", "made", [{ dir: "made", manifest, records: [...records] }])),
  };
}

/** The signed privacy plan of these attacks: the product's defaults for this set. */
export function planFor(world: World, epsilon: number, steps: number, sites = SITES.length): DpPlan {
  return createPlan({
    populations: [{ name: SET, unit: "patient", samplingRate: RATE, maxGradNorm: CLIP }],
    setsAreDisjoint: true,
    neighboring: "add_or_remove_one",
    steps,
    dimension: world.dimension,
    cohort: { n: sites, nMin: Math.floor(2 * sites / 3) + 1, colluders: 1 },
    maxUnitsPerStep: 1024,
    delta: 1e-5,
    target: { epsilon },
  });
}
