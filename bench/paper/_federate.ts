import { type AggregatorConfig, readAggregatorConfig } from "../../src/federation/config.ts";
import { aggregatedGradient } from "../../src/federation/aggregation.ts";
import type { FederationPlan } from "../../src/federation/federation_plan.ts";
import { makeDpPlan } from "../../src/federation/public_stage.ts";
import { serverOptimizerOf } from "../../src/federation/server_defaults.ts";
import { initServerOptimizer, serverStep } from "../../src/federation/server_optimizer.ts";
import { stepContribution, type TrainingSite } from "../../src/federation/site_training.ts";
import {
  DEFAULT_LOCAL_TRAINING,
  DEFAULT_PRETRAINING,
  defaultClip,
  flatten,
  type LocalWeights,
  trainLocalPrivately,
  trainWithoutPrivacy,
  unflatten,
} from "../../src/local/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { union } from "../local/_simulation.ts";
import { PROXIMAL, type Setting } from "./_settings.ts";
import type { Start } from "./_start.ts";

/**
 * The encoders and heads that a federation ends with. With a finite epsilon every step is the product's own: plan,
 * contribution of each site with exact noise, sum modulo 2^32, decoding, server step; only masks and network are left
 * out, which do not change the sum. Noise and samples come from a seeded source here, and only here.
 * @param start public start
 * @param setting mode and epsilon
 * @param seed of noise and samples
 * @param proximal FedProx's mu, where it is not the frozen one
 */
export async function federate(
  start: Start,
  setting: Setting,
  seed: number,
  proximal: number = PROXIMAL,
): Promise<LocalWeights> {
  const { backbone, epsilon } = setting;
  if (backbone === "public" || backbone === "together") return start.base;
  const config = await configOf(start, setting, seed, backbone === "fedprox" ? proximal : 0);
  if (epsilon !== "infinity") return await federatePrivately(start, config, seed);
  if (backbone !== "distributed") return await averageWithoutPrivacy(start, config, seed);
  const options = { ...DEFAULT_PRETRAINING, steps: 40, seed };
  return await trainWithoutPrivacy(start.spec, start.base, union(start.sites), options);
}

/** The configuration that an operator would write, with the product's defaults for all else. */
async function configOf(
  { world }: Start,
  { backbone, epsilon }: Setting,
  seed: number,
  proximal: number,
): Promise<AggregatorConfig> {
  const file = await Deno.makeTempFile({ suffix: ".json" });
  const written = {
    federation: "paper",
    state: "state",
    run: "run",
    sites: world.sites.map(({ name }) => name),
    data: { public: world.publicFolder },
    foundationModel: world.foundationModel,
    mode: backbone === "distributed" ? "distributed" : "local",
    local: { proximal },
    privacy: { epsilon: epsilon === "infinity" ? 8 : Number(epsilon), neighboring: "add_or_remove_one" },
    seed,
  };
  try {
    await Deno.writeTextFile(file, JSON.stringify(written));
    return await readAggregatorConfig(file);
  } finally {
    await Deno.remove(file);
  }
}

async function federatePrivately(
  start: Start,
  config: AggregatorConfig,
  seed: number,
): Promise<LocalWeights> {
  const { spec, base } = start;
  const dp = makeDpPlan(config, { ...start, textTable: new Uint8Array() });
  const unused = "0".repeat(64);
  const plan: FederationPlan = {
    format: "fedkim-plan/1",
    federation: config.federation,
    ...(config.mode === "local" ? { mode: "local", local: config.local } : { mode: "distributed" }),
    roster: config.sites.map((site) => ({ site, publicKey: unused })),
    tasks: start.tasks,
    model: { spec, baseWeights: unused, textTable: unused },
    dp,
    secureAggregation: { profile: "strict", threshold: 3, nMin: 3, colluders: 1, chunkCoordinates: 1024 },
  };
  const populations = dp.request.populations.map(({ name }) => name);
  const sites: TrainingSite[] = start.sites.map((features) => ({
    plan,
    base,
    features,
    populations: populations.filter((name) => features.sets.has(name)),
  }));
  const random = new SeededRandom(seed + 7000);
  const randomBytes = (length: number): Uint8Array =>
    Uint8Array.from({ length }, () => random.nextUint32() >>> 24);
  const anchor = flatten(spec, base);
  const optimizer = serverOptimizerOf(config, dp.request.steps);
  let flat = anchor;
  let state = initServerOptimizer(anchor.length);
  for (let step = 0; step < dp.request.steps; step++) {
    const sum = new Uint32Array(anchor.length);
    for (const site of sites) {
      const part = await stepContribution(site, flat, randomBytes);
      part.forEach((value, at) => sum[at] += value);
    }
    ({ state, parameters: flat } = serverStep(optimizer, state, flat, anchor, aggregatedGradient(plan, sum)));
  }
  return unflatten(spec, base, flat);
}

/** `local` mode without clip and noise: federated averaging of the same schedule. */
async function averageWithoutPrivacy(
  { spec, base, sites }: Start,
  config: AggregatorConfig,
  seed: number,
): Promise<LocalWeights> {
  const random = new SeededRandom(seed + 7000);
  const clip = defaultClip(spec);
  const options = {
    ...config.local,
    clip,
    samplingRate: new Map([...clip.keys()].map((set) => [set, DEFAULT_LOCAL_TRAINING.samplingRate])),
    privacy: { type: "none" } as const,
    randomBytes: (length: number): Uint8Array =>
      Uint8Array.from({ length }, () => random.nextUint32() >>> 24),
  };
  const { rounds } = DEFAULT_LOCAL_TRAINING;
  const anchor = flatten(spec, base);
  const optimizer = serverOptimizerOf(config, rounds);
  let flat = anchor;
  let state = initServerOptimizer(anchor.length);
  for (let round = 0; round < rounds; round++) {
    const gradient = new Float64Array(anchor.length);
    for (const site of sites) {
      const training = trainLocalPrivately(spec, unflatten(spec, base, flat), site, options);
      let next = await training.next();
      while (next.done !== true) next = await training.next();
      next.value.update.forEach((value, at) => gradient[at] -= value / sites.length);
    }
    ({ state, parameters: flat } = serverStep(optimizer, state, flat, anchor, gradient));
  }
  return unflatten(spec, base, flat);
}
