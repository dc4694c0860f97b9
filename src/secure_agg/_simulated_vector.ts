import type { RoundConfig } from "./round_config.ts";

/** Words of simulated site number `site`: cheap, different for every site, within the bound. */
export function plainVector(
  { dimension, coordinateBound }: Pick<RoundConfig, "dimension" | "coordinateBound">,
  site: number,
): Uint32Array {
  const words = new Uint32Array(dimension);
  let x = Math.imul(site + 1, 0x9e3779b1);
  for (let k = 0; k < dimension; k++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    words[k] = (x >>> 12) - 0x80000; // 20 bits around zero; the bound is 2^19
  }
  return coordinateBound >= 0x80000 ? words : words.map((word) => (word | 0) % coordinateBound);
}
