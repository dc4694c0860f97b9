import { type Identity, signLabelled, verifyLabelled } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { sha256Hex } from "../formats/canonical_json.ts";
import { fromHex, toHex } from "../formats/hex.ts";

/** Header names of signed requests and of letters. */
export const HEADERS = {
  site: "x-fedkim-site",
  time: "x-fedkim-time",
  nonce: "x-fedkim-nonce",
  signature: "x-fedkim-signature",
  sequence: "x-fedkim-sequence",
  kind: "x-fedkim-kind",
  round: "x-fedkim-round",
} as const;

const LABEL = "fedkim/request/1";
/** How far two clocks may differ, and how long a nonce is remembered, milliseconds. */
export const REQUEST_WINDOW_MS = 300_000;

/** Headers that prove who sends a request: Ed25519 over method, path, time, nonce and the body's hash. */
export function signRequest(identity: Identity, method: string, path: string, body: Uint8Array): Headers {
  const time = String(Date.now());
  const nonce = toHex(crypto.getRandomValues(new Uint8Array(16)));
  const signature = signLabelled(identity, LABEL, statement(method, path, time, nonce, body));
  return new Headers({
    [HEADERS.site]: identity.id,
    [HEADERS.time]: time,
    [HEADERS.nonce]: nonce,
    [HEADERS.signature]: toHex(signature),
  });
}

/** Checks signed requests of enrolled sites, once each. */
export class RequestVerifier {
  #seen = new Map<string, number>();

  /** @param publicKeyOf public key of an enrolled site, undefined for a stranger */
  constructor(private readonly publicKeyOf: (site: string) => Uint8Array | undefined) {}

  /**
   * The name of the site that sent the request.
   * @throws FedKimError `AuthenticationError` for strangers, wrong signatures, skewed clocks and replays
   */
  verify(method: string, path: string, headers: Headers, body: Uint8Array, now: number = Date.now()): string {
    const site = headers.get(HEADERS.site) ?? "";
    const time = headers.get(HEADERS.time) ?? "";
    const nonce = headers.get(HEADERS.nonce) ?? "";
    const key = this.publicKeyOf(site);
    if (key === undefined) {
      throw refused("the site is not enrolled", "enroll it with an invite of this federation");
    }
    const signature = fromHex(headers.get(HEADERS.signature) ?? "");
    if (
      signature === undefined ||
      !verifyLabelled(key, LABEL, statement(method, path, time, nonce, body), signature)
    ) {
      throw refused(
        "the signature does not fit the request",
        "use the state folder that the site enrolled with",
      );
    }
    if (!(Math.abs(now - Number(time)) <= REQUEST_WINDOW_MS)) {
      throw refused("the clocks differ by more than five minutes", "set the site's clock (NTP)");
    }
    for (const [old, when] of this.#seen) {
      if (now - when <= 2 * REQUEST_WINDOW_MS) break;
      this.#seen.delete(old);
    }
    if (this.#seen.has(nonce)) throw refused("the request was seen before", "send a fresh request");
    this.#seen.set(nonce, now);
    return site;
  }
}

function statement(method: string, path: string, time: string, nonce: string, body: Uint8Array): Uint8Array {
  return new TextEncoder().encode([method, path, time, nonce, sha256Hex(body)].join("\n"));
}

function refused(found: string, remedy: string): FedKimError {
  return new FedKimError("AuthenticationError", "The request is refused.", { found, remedy });
}
