import {
  clipFactor,
  decodeSum,
  encodeUpdate,
  poissonSample,
  type RandomBytes,
  squaredNorm,
} from "../../src/dp/mod.ts";
import { federatedParameters, type ImageValue, perUnitGradients, units } from "../../src/local/mod.ts";
import { tensorOf } from "../../src/local/weights.ts";
import { viewFeatures } from "../../src/local/front_end.ts";
import { correlation } from "../correlation.ts";
import { mean } from "./_statistics.ts";
import { CLIP, planFor, RATE, type World } from "./_world.ts";

const STEPS = 50;

/** Reconstruction of images from one step of one setting. */
export interface InversionRow {
  /** What the server sees. */
  readonly seen: string;
  /** Epsilon of the plan; undefined without DP. */
  readonly epsilon: number | undefined;
  /** Patients in a step, on average. */
  readonly patients: number;
  /** Squared error over that of the public mean image: 0 is exact, 1 is what anybody can guess. */
  readonly error: number;
  /** Correlation with the image less the mean image. */
  readonly correlation: number;
  /** The same correlation with as many patients who are not in the step: what the choice alone gives. */
  readonly chance: number;
}

/** An image as the encoder's first view has it, and what the frozen stem keeps of it. */
interface Shown {
  readonly pixels: Float32Array;
}

/** Pixels of a patient's first image. */
function pixelsOf(world: World, row: number, part: World["publicPart"]): Shown {
  const encoder = world.spec.encoders[0];
  const image = part.records[row].values.get(encoder.modality) as ImageValue;
  const [pixels] = viewFeatures(image, "image", undefined) as Float32Array[];
  return { pixels };
}

/** The image whose token is nearest to this one: the pseudo-inverse of the stem, which everybody has. */
export function imageOf(world: World, token: ArrayLike<number>): Float64Array {
  const { spec: { encoders: [{ modality, views: [{ name, features }] }], dEnc }, start } = world;
  const part = (suffix: string) => tensorOf(start, `stem.${modality}.${name}.${suffix}`).data;
  const projection = part("projection"),
    offset = part("offset"),
    centre = part("mean"),
    scale = part("scale");
  const image = new Float64Array(features);
  for (let k = 0; k < dEnc; k++) {
    let square = 0;
    for (let f = 0; f < features; f++) square += projection[f * dEnc + k] ** 2;
    for (let f = 0; f < features; f++) {
      image[f] += (token[k] - offset[k]) * projection[f * dEnc + k] / square;
    }
  }
  return image.map((value, f) => scale[f] === 0 ? centre[f] : centre[f] + value / scale[f]);
}

/**
 * Tokens from a gradient of the first federated layer: its weight's gradient is sum x_i d_i^T and its bias's is
 * sum d_i, so each hidden unit's quotient is a weighted mean of inputs, and the input itself where one patient is in
 * (Geiping et al. 2020, proposition 3.1).
 */
export function tokensOf({ spec }: World, gradient: ArrayLike<number>): Float64Array[] {
  const modality = spec.encoders[0].modality;
  const { parameters } = federatedParameters(spec);
  const at = (name: string): number =>
    (parameters.find((parameter) => parameter.name === `encoder.${modality}.down.${name}`) as {
      offset: number;
    })
      .offset;
  const { hidden, tokens } = spec.encoders[0];
  const weight = at("weight"), bias = at("bias");
  return Array.from({ length: hidden }, (_, k) =>
    Float64Array.from(
      { length: tokens * spec.dEnc },
      (_, i) => {
        const token = gradient[weight + i * hidden + k] / gradient[bias + k];
        return Number.isFinite(token) ? Math.max(-4, Math.min(4, token)) : 0;
      },
    ));
}

/** Inverts one step's release in every setting. */
export async function invertGradients(
  world: World,
  trials: number,
  bytes: RandomBytes,
): Promise<InversionRow[]> {
  const { spec, start, sites, publicPart, dimension } = world;
  const publicImages = publicPart.records.map((_, row) => pixelsOf(world, row, publicPart).pixels);
  const average = Float64Array.from(publicImages[0], (_, f) => mean(publicImages.map((image) => image[f])));
  const all = await Promise.all(sites.map(async ({ features }) => {
    const raw: Float64Array[] = [];
    await perUnitGradients(spec, start, features, units(features), (g) => raw.push(g.slice()));
    return raw;
  }));
  const images = sites.map((site) =>
    units(site.features).map((unit) =>
      pixelsOf(world, (site.features.rowsOf.get(unit) as readonly number[])[0], site).pixels
    )
  );
  const rows: InversionRow[] = [];
  for (const epsilon of [undefined, 50, 8, 1]) {
    const plan = epsilon === undefined ? undefined : planFor(world, epsilon, STEPS);
    for (const seen of ["one patient at one site", "one site", "sum of four sites"] as const) {
      const found = {
        error: [] as number[],
        correlation: [] as number[],
        chance: [] as number[],
        patients: 0,
      };
      for (let trial = 0; trial < trials; trial++) {
        const members = seen === "sum of four sites" ? [0, 1, 2, 3] : [trial % 4];
        const targets: Float32Array[] = [], absent: Float32Array[] = [];
        const sum = new Float64Array(dimension);
        for (const s of members) {
          const indices = all[s].map((_, i) => i);
          const sampled = seen === "one patient at one site"
            ? [indices[(7 * trial) % indices.length]]
            : poissonSample(indices, RATE, bytes);
          const drawn = new Set(sampled);
          const rest = indices.filter((i) => !drawn.has(i));
          sampled.forEach((_, k) => absent.push(images[s][rest[(5 * trial + k) % rest.length]]));
          for (const i of sampled) {
            const g = all[s][i];
            const factor = plan === undefined ? 1 : clipFactor(squaredNorm(g), dimension, CLIP);
            g.forEach((value, k) => sum[k] += value * factor / CLIP);
            targets.push(images[s][i]);
          }
        }
        let release: Float64Array = sum;
        if (plan !== undefined) {
          const shares = members.map((_, i) =>
            encodeUpdate(plan, i === 0 ? sum : new Float64Array(dimension), bytes)
          );
          const ring = shares[0].map((_, k) =>
            shares.reduce((total, share) => (total + share[k]) | 0, 0) >>> 0
          );
          release = decodeSum(plan, ring);
        }
        found.patients += targets.length / trials;
        const guesses = tokensOf(world, release).map((token) => imageOf(world, token));
        const best = bestMatch(guesses, targets, average);
        found.error.push(best.error);
        found.correlation.push(best.correlation);
        found.chance.push(bestMatch(guesses, absent, average).correlation);
      }
      rows.push({
        seen,
        epsilon,
        patients: found.patients,
        error: mean(found.error),
        correlation: mean(found.correlation),
        chance: mean(found.chance),
      });
    }
  }
  return rows;
}

/** What the frozen stem keeps: images rebuilt from true tokens. */
export function stemCeiling(world: World): { readonly error: number; readonly correlation: number } {
  const { publicPart, sites: [site], spec } = world;
  const publicImages = publicPart.records.map((_, row) => pixelsOf(world, row, publicPart).pixels);
  const average = Float64Array.from(publicImages[0], (_, f) => mean(publicImages.map((image) => image[f])));
  const tokens = site.features.tokens.get(spec.encoders[0].modality)!;
  const width = spec.encoders[0].tokens * spec.dEnc;
  const found = site.records.slice(0, 60).map((_, row) =>
    bestMatch(
      [imageOf(world, tokens.data.subarray(row * width, row * width + width))],
      [pixelsOf(world, row, site).pixels],
      average,
    )
  );
  return { error: mean(found.map(({ error }) => error)), correlation: mean(found.map((f) => f.correlation)) };
}

/** The best pair of a guess and a target: an attacker who knew which guess is good could do no better. */
function bestMatch(
  guesses: readonly ArrayLike<number>[],
  targets: readonly ArrayLike<number>[],
  average: Float64Array,
): { readonly error: number; readonly correlation: number } {
  let best = { error: 1, correlation: 0 };
  for (const target of targets) {
    const wanted = Float64Array.from(target, (value, f) => value - average[f]);
    const size = wanted.reduce((sum, value) => sum + value * value, 0);
    for (const guess of guesses) {
      const got = Float64Array.from(guess, (value, f) => value - average[f]);
      const found = correlation(got, wanted);
      if (found <= best.correlation) continue;
      const error = got.reduce((sum, value, f) => sum + (value - wanted[f]) ** 2, 0) / size;
      best = { error, correlation: found };
    }
  }
  return best;
}
