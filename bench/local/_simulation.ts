import {
  clippedGradientSum,
  federatedParameters,
  flatten,
  type LocalModelSpec,
  type LocalWeights,
  type SetFeatures,
  type SiteFeatures,
  unflatten,
  units,
} from "../../src/local/mod.ts";
import {
  initServerOptimizer,
  type ServerOptimizerConfig,
  serverStep,
} from "../../src/federation/server_optimizer.ts";
import type { SeededRandom } from "../../src/tensor/seeded_random.ts";

/** One simulated DP-SGD run over the union of the sites. */
export interface Simulation {
  /** Steps T. */
  readonly steps: number;
  /** Poisson sampling rate q. */
  readonly samplingRate: number;
  /** Standard deviation of the total noise per coordinate, in units of the clipping norm. */
  readonly noise: number;
  /** Clipping norm of every set. */
  readonly clip: ReadonlyMap<string, number>;
  /** The server's rule. */
  readonly optimizer: ServerOptimizerConfig;
}

/** Joins the features of several parts; units keep their site, for a patient is a patient at one site. */
export function union(parts: readonly SiteFeatures[]): SiteFeatures {
  const names = new Set(parts.flatMap((part) => [...part.sets.keys()]));
  return {
    sets: new Map([...names].map((name) => [name, joinSets(parts.map((part) => part.sets.get(name)))])),
  };
}

function joinSets(found: readonly (SetFeatures | undefined)[]): SetFeatures {
  const sets = found.filter((set) => set !== undefined);
  const offsets: number[] = [];
  let size = 0;
  for (const set of sets) {
    offsets.push(size);
    size += set.size;
  }
  const joined = <T extends Float32Array | Uint8Array>(
    make: (length: number) => T,
    arrays: readonly T[],
  ): T => {
    const out = make(arrays.reduce((sum, array) => sum + array.length, 0));
    let at = 0;
    for (const array of arrays) {
      out.set(array, at);
      at += array.length;
    }
    return out;
  };
  const floats = (arrays: Float32Array[]): Float32Array =>
    joined((length) => new Float32Array(length), arrays);
  const bytes = (arrays: Uint8Array[]): Uint8Array => joined((length) => new Uint8Array(length), arrays);
  return {
    name: sets[0].name,
    size,
    ids: sets.flatMap((set) => [...set.ids]),
    rowsOf: new Map(sets.flatMap((set, index) => {
      return [...set.rowsOf].map(([unit, rows]) =>
        [`${index}/${unit}`, rows.map((row) => row + offsets[index])] as const
      );
    })),
    tokens: new Map([...sets[0].tokens.keys()].map((key) => {
      const all = sets.map((set) => set.tokens.get(key)).filter((item) => item !== undefined);
      const masks = all.map((item) => item.mask).filter((mask) => mask !== undefined);
      const joinedTokens = {
        data: floats(all.map((item) => item.data)),
        present: bytes(all.map((item) => item.present)),
      };
      return [key, masks.length === 0 ? joinedTokens : { ...joinedTokens, mask: bytes(masks) }];
    })),
    labels: new Map([...sets[0].labels.keys()].map((key) => {
      const all = sets.map((set) => set.labels.get(key)).filter((item) => item !== undefined);
      return [key, {
        data: floats(all.map((item) => item.data)),
        known: bytes(all.map((item) => item.known)),
        outside: bytes(all.map((item) => item.outside)),
      }];
    })),
  };
}

/** Runs DP-SGD with simulated noise and sampling; returns the last iterate. */
export async function simulate(
  spec: LocalModelSpec,
  start: LocalWeights,
  features: SiteFeatures,
  run: Simulation,
  random: SeededRandom,
): Promise<{ weights: LocalWeights; clippedShare: number }> {
  const { dimension } = federatedParameters(spec);
  const anchor = flatten(spec, start);
  let flat: Float64Array = anchor.slice();
  let state = initServerOptimizer(dimension);
  const pools = [...features.sets].filter(([, set]) => set.labels.size > 0).map(([name, set]) => {
    return [name, units(set)] as const;
  });
  let clipped = 0, drawn = 0;
  for (let step = 0; step < run.steps; step++) {
    const sampled = new Map(pools.map(([name, pool]) => {
      return [name, pool.filter(() => random.next() < run.samplingRate)] as const;
    }));
    const result = await clippedGradientSum(spec, unflatten(spec, start, flat), features, sampled, run.clip);
    clipped += result.clipped;
    drawn += [...sampled.values()].reduce((sum, chosen) => sum + chosen.length, 0);
    const noised = result.sum.map((value) => value + run.noise * random.normal());
    ({ state, parameters: flat } = serverStep(run.optimizer, state, flat, anchor, noised));
  }
  return { weights: unflatten(spec, start, flat), clippedShare: clipped / Math.max(1, drawn) };
}
