import type { RandomBytes } from "../src/dp/mod.ts";
import { SeededRandom } from "../src/tensor/seeded_random.ts";

/** A reproducible byte source, a word at a time: many megabytes are drawn here. */
export function seededWords(seed: number): RandomBytes {
  const random = new SeededRandom(seed);
  return (length) => {
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let i = 0; i < words.length; i++) words[i] = random.nextUint32();
    return new Uint8Array(words.buffer, 0, length);
  };
}
