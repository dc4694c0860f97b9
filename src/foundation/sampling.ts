import { FedKimError } from "../formats/errors.ts";
import type { SeededRandom } from "../tensor/seeded_random.ts";

/** How tokens are drawn. Without it the likeliest token is taken. */
export interface Sampling {
  /** Divides the logits; below 1 sharper, above 1 flatter; positive. */
  readonly temperature?: number;
  /** Only the so many likeliest tokens can be drawn. */
  readonly topK?: number;
  /** Only the fewest tokens whose probabilities add up to this share can be drawn (Holtzman et al. 2020). */
  readonly topP?: number;
  /** Seed: the same prompt under the same seed continues in the same way. */
  readonly seed: number;
}

/**
 * Refuses settings outside their ranges.
 *
 * @param sampling the settings
 * @throws FedKimError `ConfigError` for a temperature, topK or topP outside its range
 */
export function checkSampling({ temperature = 1, topK, topP = 1 }: Sampling): void {
  const problem = !(temperature > 0 && Number.isFinite(temperature))
    ? `temperature ${temperature}`
    : topK !== undefined && !(Number.isSafeInteger(topK) && topK > 0)
    ? `top-k ${topK}`
    : !(topP > 0 && topP <= 1)
    ? `top-p ${topP}`
    : undefined;
  if (problem === undefined) return;
  throw new FedKimError("ConfigError", "The sampling settings are not valid.", {
    found: problem,
    needed: "temperature above 0, top-k of at least 1, top-p above 0 and at most 1",
  });
}

/**
 * Draws one token.
 *
 * @param logits next-token logits of one sequence, finite
 * @param sampling temperature and cuts; top-k is applied first, then top-p to what is left
 * @param random seeded source
 * @returns a token id
 */
export function sampleToken(logits: Float32Array, sampling: Sampling, random: SeededRandom): number {
  const { temperature = 1, topK = logits.length, topP = 1 } = sampling;
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b).slice(0, topK);
  const largest = logits[order[0]];
  const weights = order.map((token) => Math.exp((logits[token] - largest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let kept = 0;
  let mass = 0;
  while (kept < weights.length && (kept === 0 || mass < topP * total)) mass += weights[kept++];
  let left = random.next() * mass;
  for (let i = 0; i < kept; i++) {
    left -= weights[i];
    if (left < 0) return order[i];
  }
  return order[kept - 1];
}

/**
 * The likeliest token; the first one of equals.
 *
 * @param logits next-token logits of one sequence
 * @returns a token id
 */
export function likeliestToken(logits: Float32Array): number {
  let best = 0;
  for (let token = 1; token < logits.length; token++) if (logits[token] > logits[best]) best = token;
  return best;
}
