import {
  type CohortParams,
  enrolledHash,
  generateIdentity,
  type Identity,
  makeRoundConfig,
  type Profile,
  type RoundConfig,
} from "../../src/secure_agg/mod.ts";

/** Sites and a configuration to measure with. */
export interface BenchCohort {
  readonly ids: readonly Identity[];
  readonly enrolled: ReadonlyMap<string, Uint8Array>;
  readonly config: RoundConfig;
}

/** A round of n sites. */
export function benchCohort(
  n: number,
  dimension: number,
  params: CohortParams,
  profile: Profile = "strict",
): BenchCohort {
  const ids = Array.from({ length: n }, (_, i) => generateIdentity(`site-${String(i).padStart(5, "0")}`));
  const enrolled = new Map(ids.map(({ id, publicKey }) => [id, publicKey]));
  const config = makeRoundConfig({
    taskId: "bench",
    profile,
    roundId: 1,
    nMax: n,
    ...params,
    enrolledHash: enrolledHash(enrolled),
    modelHash: new Uint8Array(32),
    planHash: new Uint8Array(32),
    dimension,
    coordinateBound: Math.floor((2 ** 31 - 1) / n),
  });
  return { ids, enrolled, config };
}
