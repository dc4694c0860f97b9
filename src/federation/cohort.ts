import { defaultMinimumSurvivors, defaultThreshold } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import type { AggregatorConfig } from "./config.ts";

/**
 * Fewest sites whose sum is revealed: the configured number, or the profile's default for the cohort.
 * @throws FedKimError `ConfigError` when it is below the sharing threshold or above the number of sites
 */
export function minimumSites(config: AggregatorConfig): number {
  const n = config.sites.length;
  const threshold = defaultThreshold(n, "strict");
  const wanted = config.rounds.minimumSites ?? defaultMinimumSurvivors(n, threshold);
  if (wanted >= threshold && wanted <= n) return wanted;
  throw new FedKimError("ConfigError", "rounds.minimumSites does not fit the cohort.", {
    found: `${wanted} of ${n} sites`,
    needed: `from ${threshold} (the sharing threshold) to ${n}`,
    remedy: "correct it, or leave it out",
  });
}
