import { canonicalJson, sha256Hex } from "../formats/canonical_json.ts";
import type { AggregatorConfig } from "./config.ts";

/**
 * Hash of what decides a run's results. Addresses, folders, deadlines and the tensor backend are left out: an operator
 * may change them and go on with an unfinished run.
 */
export function configHash(config: AggregatorConfig): string {
  const { federation, sites, data, foundationModel, tasks, mode, local, model, privacy, rounds } = config;
  const { optimizer, sumCheck, evaluation, injection, seed, startFrom } = config;
  const { steps, minimumSites, cohort, chunkBytes } = rounds;
  return sha256Hex(canonicalJson({
    federation,
    sites,
    data,
    foundationModel,
    tasks,
    mode,
    local,
    model,
    privacy,
    rounds: { steps, minimumSites, cohort, chunkBytes },
    optimizer,
    sumCheck,
    evaluation,
    injection,
    seed,
    startFrom,
  }));
}
