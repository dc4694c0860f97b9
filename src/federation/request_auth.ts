import { createHash } from "node:crypto";
import {
  appendSignature,
  createSignatureSync,
  isSignatureError,
  type Verifier,
  verifySignature,
} from "http-message-sig";
import { type Identity, nativeProvider } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { VERSION } from "../formats/version.ts";
import { sha256Hex } from "../formats/canonical_json.ts";
import { toHex } from "../formats/hex.ts";

/** Header names of letters and of the protocol version. */
export const HEADERS = {
  protocol: "fedkim-protocol",
  sequence: "x-fedkim-sequence",
  kind: "x-fedkim-kind",
  round: "x-fedkim-round",
} as const;

/** Version of the exchange that this build speaks, and the oldest that it still understands. */
export const PROTOCOL = { current: 3, oldest: 3 } as const;

/** How far two clocks may differ, and how old a request may be, seconds. */
export const REQUEST_WINDOW_SECONDS = 300;

const COMPONENTS = ["@method", "@path", "@query", "content-digest", HEADERS.protocol] as const;
const TAG = "fedkim";

/**
 * Headers that prove who sends a request: an HTTP message signature (RFC 9421) by Ed25519 over method, path, query, the
 * body's digest (RFC 9530) and the protocol version, with creation time, expiry and a nonce.
 * @param now milliseconds since 1970
 * @param protocol version that the sender speaks
 */
export function signRequest(
  identity: Identity,
  method: string,
  path: string,
  body: Uint8Array,
  now: number = Date.now(),
  protocol: number = PROTOCOL.current,
): Headers {
  const headers = new Headers({
    "content-digest": digestOf(body),
    "user-agent": `fedkim/${VERSION}`,
    [HEADERS.protocol]: String(protocol),
  });
  const created = Math.floor(now / 1000);
  const fields = createSignatureSync(messageOf(method, path, headers), {
    label: TAG,
    components: [...COMPONENTS],
    parameters: {
      created,
      expires: created + REQUEST_WINDOW_SECONDS,
      nonce: toHex(crypto.getRandomValues(new Uint8Array(16))),
      alg: "ed25519",
      keyid: identity.id,
      tag: TAG,
    },
    signer: {
      algorithm: "ed25519",
      sign: (data) => nativeProvider.ed25519Sign(identity.privateKey.reveal(), data),
    },
  });
  return appendSignature(headers, fields);
}

/** A request whose headers are signed by a member. */
export interface SignedRequest {
  /** The member. */
  readonly name: string;
  /** What makes the request unique. */
  readonly nonce: string;
  /** Digest that its body must have. */
  readonly digest: string;
}

/** What a verifier asks of the enrolment book and the store. */
export interface RequestVerifierOptions {
  /** Public key of a member whose requests are accepted, undefined for anybody else. */
  readonly publicKeyOf: (name: string) => Promise<Uint8Array | undefined>;
  /** True for the first caller with this nonce, on any replica. */
  readonly once: (nonce: string, ttlMs: number) => Promise<boolean>;
}

/** Checks signed requests of enrolled members, once each. */
export class RequestVerifier {
  /** @param options see {@link RequestVerifierOptions} */
  constructor(private readonly options: RequestVerifierOptions) {}

  /**
   * The name of the member that signed the headers of a request. Nothing of the body is needed for it: strangers cannot
   * make the aggregator hold bodies. {@link RequestVerifier.accept} must follow once the body is there.
   * @param now milliseconds since 1970
   * @throws FedKimError `AuthenticationError` for strangers, wrong signatures and skewed clocks; `FormatError`, reason
   * `protocol_version`, for a member whose software is too old or too new
   */
  async authenticate(
    method: string,
    path: string,
    headers: Headers,
    now: number = Date.now(),
  ): Promise<SignedRequest> {
    let name: string, nonce: string;
    const seconds = Math.floor(now / 1000);
    try {
      const { parameters } = await verifySignature(messageOf(method, path, headers), {
        label: TAG,
        policy: {
          algorithms: ["ed25519"],
          requiredComponents: [...COMPONENTS],
          requiredParameters: ["created", "expires", "nonce", "keyid", "tag"],
          maxAge: REQUEST_WINDOW_SECONDS,
          clockSkew: REQUEST_WINDOW_SECONDS,
          now: seconds,
        },
        resolveVerifier: ({ parameters }) => this.#verifierOf(String(parameters.keyid)),
      });
      // The library adds the clocks' tolerance to the age.
      if (!(Math.abs(seconds - Number(parameters.created)) <= REQUEST_WINDOW_SECONDS)) throw outOfTime();
      if (parameters.tag !== TAG) throw refused("the signature is for another purpose", "update the client");
      name = String(parameters.keyid);
      nonce = String(parameters.nonce);
    } catch (error) {
      throw explained(error);
    }
    const version = Number(headers.get(HEADERS.protocol));
    if (!(version >= PROTOCOL.oldest && version <= PROTOCOL.current)) {
      throw new FedKimError("FormatError", "The site's FedKIM speaks another version of the protocol.", {
        reason: "protocol_version",
        found: `version ${headers.get(HEADERS.protocol)}`,
        needed: `version ${PROTOCOL.oldest} to ${PROTOCOL.current}`,
        remedy: version < PROTOCOL.oldest ? "update FedKIM at the site" : "update FedKIM at the aggregator",
      });
    }
    return { name, nonce, digest: headers.get("content-digest") ?? "" };
  }

  /**
   * Lets a request pass whose body is the signed one, once.
   * @throws FedKimError `AuthenticationError` for another body or a replay
   */
  async accept({ name, nonce, digest }: SignedRequest, body: Uint8Array): Promise<void> {
    if (digest !== digestOf(body)) {
      throw refused("the body is not the one whose digest was signed", "send a fresh request");
    }
    // Kept longer than any clock can make the request valid, and short however long the nonce is.
    if (!(await this.options.once(sha256Hex(`${name} ${nonce}`), 4000 * REQUEST_WINDOW_SECONDS))) {
      throw refused("the request was seen before", "send a fresh request", "replayed");
    }
  }

  async #verifierOf(name: string): Promise<Verifier> {
    const key = await this.options.publicKeyOf(name);
    if (key === undefined) {
      throw refused("the sender is not enrolled", "enroll it with an invite of this federation");
    }
    return {
      algorithm: "ed25519",
      verify: (data, signature) => nativeProvider.ed25519Verify(key, data, signature),
    };
  }
}

/** Only method, path and query are signed of the address: a proxy in between may have another host name. */
function messageOf(method: string, path: string, headers: Headers): Request {
  return new Request(new URL(path, "http://aggregator"), { method, headers });
}

function digestOf(body: Uint8Array): string {
  return `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
}

function explained(error: unknown): unknown {
  if (error instanceof FedKimError) return error;
  if (!isSignatureError(error)) return error;
  if (error.cause instanceof FedKimError) return error.cause;
  if (error.code === "PolicyViolation") {
    return outOfTime();
  }
  return refused(
    "the signature does not fit the request",
    "use the state folder that the site enrolled with",
  );
}

function outOfTime(): FedKimError {
  return refused(
    "a signature that is not acceptable at this time",
    "set the site's clock (NTP); the clocks may differ by five minutes",
  );
}

function refused(found: string, remedy: string, reason?: string): FedKimError {
  const details = { found, remedy, ...(reason === undefined ? {} : { reason }) };
  return new FedKimError("AuthenticationError", "The request is refused.", details);
}
