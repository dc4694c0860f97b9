import type { RandomBytes } from "../formats/random_bytes.ts";
import { protocolAbort } from "./errors.ts";

/**
 * Draws secret bytes and refuses a source that is plainly broken (wrong length, or one repeated byte).
 * The false-alarm probability for 32 bytes is 2^-248.
 * @throws SecAggError ProtocolAbort `bad_randomness`
 */
export function randomSecret(random: RandomBytes, length: number): Uint8Array {
  const bytes = random(length);
  if (bytes.length !== length || (length >= 16 && bytes.every((byte) => byte === bytes[0]))) {
    throw protocolAbort("bad_randomness", "The source of random bytes is broken.", {
      remedy: "check the operating system's random number generator before any secret is made",
    });
  }
  return bytes;
}
