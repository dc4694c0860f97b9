import { type CohortParams, graphParams } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { cryptoRandomBytes, type RandomBytes } from "../formats/random_bytes.ts";
import type { AggregatorConfig } from "./config.ts";

/** Number of sites that take part in a run: those of the configuration, or as many as are chosen of them. */
export function cohortSize({ sites, rounds }: AggregatorConfig): number {
  const size = rounds.cohort ?? sites.length;
  if (size <= sites.length) return size;
  throw new FedKimError("ConfigError", "rounds.cohort asks for more sites than there are.", {
    found: `${size} of ${sites.length} sites`,
    needed: `from 3 to ${sites.length}`,
    remedy: "correct it, or leave it out",
  });
}

/**
 * Graph, sharing threshold and smallest sum of a run's cohort: everybody with everybody up to 255 sites, and the ring of
 * the published table beyond.
 * @throws FedKimError `ConfigError` where `rounds.minimumSites` is below the sharing threshold or above the cohort
 */
export function cohortOf(config: AggregatorConfig): CohortParams {
  const n = cohortSize(config);
  const { graph, threshold, nMin } = graphParams({ n, profile: "strict" });
  const wanted = config.rounds.minimumSites ?? nMin;
  if (wanted >= threshold && wanted <= n) return { graph, threshold, nMin: wanted };
  throw new FedKimError("ConfigError", "rounds.minimumSites does not fit the cohort.", {
    found: `${wanted} of ${n} sites`,
    needed: `from ${threshold} (the sharing threshold) to ${n}`,
    remedy: "correct it, or leave it out",
  });
}

/**
 * A cohort of a run, every subset of that size equally likely and nobody able to foresee it: sampling without
 * replacement (Fisher-Yates) from the CSPRNG. No amplification is claimed from it: sites, peers and the aggregator all
 * see who takes part, so the accountant counts every step of a chosen site in full, and a site that was not chosen
 * charges nothing.
 * @param sites candidates
 * @param size how many to choose
 * @returns the chosen ones, in the order of the candidates
 */
export function chooseCohort(
  sites: readonly string[],
  size: number,
  randomBytes: RandomBytes = cryptoRandomBytes,
): string[] {
  const places = sites.map((_, i) => i);
  for (let i = 0; i < size; i++) {
    const j = i + below(places.length - i, randomBytes);
    [places[i], places[j]] = [places[j], places[i]];
  }
  return places.slice(0, size).sort((a, b) => a - b).map((i) => sites[i]);
}

/** A uniform integer in [0, bound), by rejection. */
function below(bound: number, randomBytes: RandomBytes): number {
  const limit = Math.floor(2 ** 32 / bound) * bound;
  for (;;) {
    const bytes = randomBytes(4);
    const word = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
    if (word < limit) return word % bound;
  }
}
