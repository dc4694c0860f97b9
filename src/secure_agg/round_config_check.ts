import { FedKimError } from "../formats/errors.ts";
import { utf8 } from "./_bytes.ts";
import { ringIsSafe, smallestRingThreshold } from "./graph_params.ts";
import type { RoundConfig } from "./round_config.ts";

/** Largest roster: indices are 16 bits on the wire. */
export const MAX_CLIENTS = 65_535;
/** Largest vector: the 32-bit block counter of ChaCha20 covers 2^36 words; arrays cover 2^32 - 1. */
const MAX_DIMENSION = 2 ** 31;

function refuse(found: string, needed: string, remedy: string, reason = "unsafe_config"): never {
  throw new FedKimError("ConfigError", "The secure aggregation round cannot be set up like this.", {
    found,
    needed,
    remedy,
    reason,
  });
}

function checkInteger(name: string, value: number, low: number, high: number): void {
  if (!Number.isSafeInteger(value) || value < low || value > high) {
    refuse(`${name} = ${value}`, `an integer from ${low} to ${high}`, `correct ${name}`);
  }
}

/** Bits that hold every value from -magnitude to +magnitude in two's complement. */
function bitsFor(magnitude: number): number {
  let bits = 1;
  while (2 ** (bits - 1) - 1 < magnitude) bits++;
  return bits;
}

function checkRing(config: RoundConfig): void {
  const { ringBits, nMax, coordinateBound } = config;
  checkInteger("ringBits", ringBits, 8, 32);
  checkInteger("coordinateBound", coordinateBound, 1, 2 ** 31 - 1);
  if (config.wireForm === "packed20" && ringBits > 20) {
    refuse(`ringBits = ${ringBits} with wireForm packed20`, "ringBits <= 20", "use wireForm word32");
  }
  const needed = bitsFor(nMax * coordinateBound);
  if (needed > ringBits) {
    refuse(
      `nMax * coordinateBound = ${nMax} * ${coordinateBound}, which needs ${needed} bits`,
      `at most the ${ringBits} bits available`,
      `take ringBits >= ${needed}${needed > 32 ? " (not available)" : ""}, ` +
        `or a coordinateBound <= ${
          Math.floor((2 ** (ringBits - 1) - 1) / nMax)
        } by a smaller scale or clip, ` +
        `or at most ${Math.floor((2 ** (ringBits - 1) - 1) / coordinateBound)} sites`,
      "ring_overflow",
    );
  }
}

function checkThresholds(config: RoundConfig): void {
  const { profile, graph, threshold, nMin, nMax, colluders } = config;
  checkInteger("nMax", nMax, profile === "curious" ? 2 : 3, MAX_CLIENTS);
  checkInteger("nMin", nMin, profile === "curious" ? 2 : 3, nMax);
  checkInteger("threshold", threshold, 2, graph.kind === "ring" ? graph.degree : nMax);
  checkInteger("colluders", colluders, profile === "curious" ? 0 : 1, nMin - 1);
  checkInteger("gammaMillionths", config.gammaMillionths, 0, 999_999);
  if (graph.kind === "ring") {
    checkInteger("graph.degree", graph.degree, 2, nMax - 2);
    if (graph.degree % 2 !== 0) refuse(`graph.degree = ${graph.degree}`, "an even number", "round it up");
    if (!ringIsSafe(nMax, graph.degree, config)) {
      refuse(
        `a ring of degree ${graph.degree} with threshold ${threshold} for ${nMax} sites, ` +
          `${config.gammaMillionths / 1e4} % of them corrupt and ${config.colluders} colluding`,
        `threshold >= ${smallestRingThreshold(nMax, graph.degree, config)}`,
        "take degree and threshold from graphParams",
      );
    }
    return;
  }
  if (threshold > nMin) {
    refuse(
      `threshold = ${threshold}, nMin = ${nMin}`,
      "threshold <= nMin",
      "raise nMin, or no survivor set of nMin sites could be unmasked",
    );
  }
  if (profile !== "curious" && 2 * threshold <= nMax + colluders) {
    refuse(
      `threshold = ${threshold} for nMax = ${nMax} and ${colluders} colluding sites`,
      `2 * threshold > nMax + colluders, so at least ${Math.floor((nMax + colluders) / 2) + 1}`,
      "raise threshold, or a lying server could collect both secrets of a site",
    );
  }
}

/**
 * Checks a configuration; both sides do it, so a careless or lying coordinator is refused by every site.
 * @throws FedKimError ConfigError with what was found, what is needed and what to do
 */
export function checkRoundConfig(config: RoundConfig): void {
  checkInteger("roundId", config.roundId, 0, Number.MAX_SAFE_INTEGER);
  if (utf8(config.taskId).length > 255) refuse("a taskId above 255 bytes", "at most 255", "shorten it");
  if (!config.taskId.isWellFormed()) {
    refuse("a taskId with half a character", "well-formed text", "correct it");
  }
  for (const name of ["enrolledHash", "modelHash", "planHash"] as const) {
    if (config[name].length !== 32) {
      refuse(`${name} of ${config[name].length} bytes`, "32 bytes", "use SHA-256");
    }
  }
  checkInteger("dimension", config.dimension, 1, MAX_DIMENSION);
  checkInteger("chunkCoordinates", config.chunkCoordinates, 16, 2 ** 28);
  if (config.chunkCoordinates % 16 !== 0) {
    refuse(`chunkCoordinates = ${config.chunkCoordinates}`, "a multiple of 16", "round it up");
  }
  checkThresholds(config);
  checkRing(config);
}
