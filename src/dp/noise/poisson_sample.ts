import { FedKimError } from "../../formats/errors.ts";
import { cryptoRandomBytes, type RandomBytes } from "../../formats/random_bytes.ts";
import { WordSource } from "./word_source.ts";

const TWO53 = 2 ** 53;

/**
 * The sampling rate really used: floor(q 2^53) / 2^53 <= q. Accounting charges q, so it never charges too
 * little.
 * @throws FedKimError ConfigError unless 0 < q <= 1
 */
export function samplingThreshold(samplingRate: number): number {
  if (!(typeof samplingRate === "number" && samplingRate > 0 && samplingRate <= 1)) {
    throw new FedKimError("ConfigError", "The sampling rate is not valid.", {
      found: `samplingRate = ${samplingRate}`,
      needed: "a number above 0 and at most 1",
    });
  }
  return Math.floor(samplingRate * TWO53);
}

/**
 * Poisson sample: every unit is in with probability `samplingRate`, independently, by 53 bits of the CSPRNG
 * each. The time taken does not depend on who is in. An empty sample is a sample.
 * @returns the units drawn, in the order given
 */
export function poissonSample<T>(
  units: readonly T[],
  samplingRate: number,
  randomBytes: RandomBytes = cryptoRandomBytes,
): T[] {
  const threshold = samplingThreshold(samplingRate);
  const words = new WordSource(randomBytes);
  const drawn: T[] = [];
  for (const unit of units) {
    if (words.integer53() < threshold) drawn.push(unit);
  }
  return drawn;
}
