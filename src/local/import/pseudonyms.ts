import { createHmac } from "node:crypto";
import { FedKimError } from "../../formats/errors.ts";

/** Turns a source's identifier into the one that a dataset keeps. */
export type Pseudonym = (identifier: string) => string;

/**
 * Pseudonyms that stay the same under the same key, so that a patient can be linked between the sets of one site:
 * the first 96 bits of HMAC-SHA-256, in hexadecimal.
 *
 * @param key secret of the site, at least 16 bytes; without it identifiers are kept
 * @throws FedKimError `ConfigError` when the key is shorter
 */
export function pseudonymiser(key: Uint8Array | undefined): Pseudonym {
  if (key === undefined) return (identifier) => identifier;
  if (key.length < 16) {
    throw new FedKimError("ConfigError", "The pseudonym key is too short.", {
      found: `${key.length} bytes`,
      needed: "at least 16 secret bytes",
    });
  }
  return (identifier) => createHmac("sha256", key).update(identifier).digest("hex").slice(0, 24);
}
