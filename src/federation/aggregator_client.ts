import type { Identity } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { missingPermission } from "../formats/missing_permission.ts";
import { sha256Hex } from "../formats/canonical_json.ts";
import { HEADERS, signRequest } from "./request_auth.ts";
import { fromProblem } from "./problem.ts";
import { type Letter, LETTER_KINDS, type LetterKind } from "./mailbox.ts";
import { spanName, withSpan } from "./telemetry.ts";
import { causesOf, tlsRemedy } from "./tls_client.ts";
import { pause } from "./pause.ts";

/** Statuses after which the same request may succeed later. */
const RETRIABLE = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Longest silence, milliseconds: a long poll and a slow line's upload of a chunk are shorter. */
const ANSWER_MS = 120_000;

/** Longest wait for a last word that nobody needs, milliseconds. */
const ACKNOWLEDGE_MS = 2_000;

/** Longest JSON answer, bytes; the longest is a page of the audit log. */
const JSON_BYTES = 2 ** 24;
/** Longest letter, bytes: a plan, or one message of secure aggregation for one site. */
const LETTER_BYTES = 2 ** 26;
/** Longest artefact where nothing says its length, bytes: the token table of a large foundation model. */
const ARTEFACT_BYTES = 2 ** 31;

/** What a letter can be. */
const KINDS: ReadonlySet<string> = new Set(LETTER_KINDS);

/** One request. */
interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** Longest answer, bytes. */
  readonly most: number;
  readonly body?: Uint8Array;
  /** Media type of the body. */
  readonly type?: string;
}

/** An answer, with all of its body: one that breaks off in the middle was no answer. */
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** A site's outbound connection to its aggregator: signed requests, retried with jittered back-off. */
export class AggregatorClient {
  readonly #base: string;

  /**
   * @param url base URL of the aggregator
   * @param identity the site's identity, which signs every request
   * @param reconnectMs give up after so long without an answer
   * @param signal stops everything
   * @param http authorities, client certificate and proxy (default: the platform's); see `outboundClient`
   * @param answerMs longest silence before an answer, and in the middle of one, milliseconds
   */
  constructor(
    url: string,
    private readonly identity: Identity,
    private readonly reconnectMs: number,
    private readonly signal: AbortSignal,
    private readonly http?: Deno.HttpClient,
    private readonly answerMs: number = ANSWER_MS,
  ) {
    this.#base = url.replace(/\/+$/, "");
  }

  /** Sends JSON and returns the JSON answer, unchecked. @throws FedKimError `FormatError` when it is none */
  async postJson<T>(path: string, value: unknown): Promise<T> {
    const body = new TextEncoder().encode(JSON.stringify(value));
    const answer = await this.#request({
      method: "POST",
      path,
      most: JSON_BYTES,
      body,
      type: "application/json",
    });
    try {
      return JSON.parse(new TextDecoder().decode(answer.body)) as T;
    } catch (cause) {
      throw malformed(`no JSON at ${path}`, "a JSON answer", cause);
    }
  }

  /** Sends a binary protocol message. */
  async postBytes(path: string, body: Uint8Array): Promise<void> {
    await this.#request({ method: "POST", path, most: JSON_BYTES, body, type: "application/octet-stream" });
  }

  /**
   * Waits for the next letter after `after`; undefined when the poll ended without one.
   * @throws FedKimError `FormatError` for a letter without a kind or number that there is
   */
  async nextLetter(after: number): Promise<Letter | undefined> {
    return letterOf(
      await this.#request({ method: "GET", path: `/v1/letters?after=${after}`, most: LETTER_BYTES }),
    );
  }

  /**
   * Sends a binary protocol message and waits for the letter that follows it, in one request; undefined when it was taken
   * and the letter is still to be asked for, as an aggregator answers that does not know this way.
   * @param after number of the last letter that was handled
   * @throws FedKimError `FormatError` for a letter without a kind or number that there is
   */
  async postForLetter(path: string, body: Uint8Array, after: number): Promise<Letter | undefined> {
    const asked = `${path}${path.includes("?") ? "&" : "?"}after=${after}`;
    const answer = await this.#request({
      method: "POST",
      path: asked,
      most: LETTER_BYTES,
      body,
      type: "application/octet-stream",
    });
    return answer.headers.has(HEADERS.sequence) ? letterOf(answer) : undefined;
  }

  /**
   * Says once that the last letter has arrived, so that nobody waits for this site; it may be that nobody listens.
   * @param last the letter's number
   */
  async acknowledge(last: number): Promise<void> {
    const call = { method: "GET", path: `/v1/letters?after=${last}`, most: LETTER_BYTES } as const;
    try {
      const answer = await this.#fetch(call, AbortSignal.timeout(ACKNOWLEDGE_MS));
      await answer.body?.cancel();
    } catch {
      // The federation is over.
    }
  }

  /**
   * Fetches an artefact and checks its hash.
   * @param most the longest that it can be, bytes
   * @throws FedKimError `AuthenticationError` when the bytes differ, `FormatError` (`too_large`) when there are more
   */
  async artefact(hash: string, most: number = ARTEFACT_BYTES): Promise<Uint8Array<ArrayBuffer>> {
    const { body: bytes } = await this.#request({ method: "GET", path: `/v1/artefacts/${hash}`, most });
    const found = sha256Hex(bytes);
    if (found !== hash) {
      throw new FedKimError("AuthenticationError", "An artefact is not what the plan names.", {
        found: `SHA-256 ${found}`,
        needed: hash,
        remedy: "tell the consortium: the aggregator or a proxy changed the model",
      });
    }
    return bytes;
  }

  /** A span of its own for each request; Deno puts its `traceparent` into the request. */
  async #request(call: Call): Promise<Answer> {
    const attributes = { "fedkim.request.bytes": call.body?.length ?? 0 };
    return await withSpan(spanName(call.method, call.path), attributes, () => this.#send(call));
  }

  /** Signs a request and sends it once; a redirection is an answer as it is. */
  async #fetch({ method, path, body, type }: Call, patience: AbortSignal): Promise<Response> {
    const headers = signRequest(this.identity, method, path, body ?? new Uint8Array());
    if (type !== undefined) headers.set("content-type", type);
    return await fetch(this.#base + path, {
      method,
      headers,
      // The platform takes a copy; the type only excludes memory that several threads share.
      ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
      // Whoever answers must not be able to send a hospital's worker to an address of its inner network.
      redirect: "manual",
      signal: AbortSignal.any([this.signal, patience]),
      ...(this.http === undefined ? {} : { client: this.http }),
    });
  }

  async #send(call: Call): Promise<Answer> {
    // Time runs from the first failure: a long poll that breaks off was an answer of its own until then.
    let deadline: number | undefined;
    const tooLate = () => Date.now() > (deadline ??= Date.now() + this.reconnectMs);
    for (let attempt = 0;; attempt++) {
      this.signal.throwIfAborted();
      const silent = new AbortController();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const heard = () => {
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(new Error("no answer")), this.answerMs);
      };
      heard();
      try {
        const response = await this.#fetch(call, silent.signal);
        const answer = await wholeBody(response, heard, call.most);
        if (response.ok) return { status: response.status, headers: response.headers, body: answer };
        if (response.status >= 300 && response.status < 400) throw redirected(this.#base, response.status);
        const problem = fromProblem(jsonOf(answer), response.status);
        // A proxy, or this machine's own HTTP library, may send a request again whose answer was lost.
        const passes = RETRIABLE.has(response.status) || problem.details.reason === "replayed";
        if (!passes || tooLate()) throw problem;
      } catch (error) {
        this.signal.throwIfAborted();
        if (error instanceof FedKimError) throw error;
        const refused = missingPermission(error);
        if (refused !== undefined) throw refused;
        if (tooLate()) {
          throw new FedKimError("NetworkError", "The aggregator cannot be reached.", {
            found: `${this.#base}: ${causesOf(error).join(": ") || String(error)}`,
            remedy: tlsRemedy(error) ??
              "check the address, the network and that the aggregator runs, then start the client again",
            cause: error,
          });
        }
      } finally {
        clearTimeout(timer);
      }
      await pause(backoffMs(attempt), this.signal);
    }
  }
}

/** All of an answer's body, as it is unpacked; each piece of it is a sign of life, and too many of them are a lie. */
async function wholeBody(
  response: Response,
  heard: () => void,
  most: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const piece of response.body ?? []) {
    heard();
    length += piece.length;
    if (length > most) {
      throw malformed("a longer one", `an answer of at most ${most} bytes`, undefined, "too_large");
    }
    pieces.push(piece);
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

/** The letter of an answer; undefined of one without. @throws FedKimError `FormatError` */
function letterOf({ status, headers, body }: Answer): Letter | undefined {
  if (status === 204) return undefined;
  const [sequence, round] = [HEADERS.sequence, HEADERS.round].map((name) => countOf(headers.get(name)));
  const kind = headers.get(HEADERS.kind);
  if (sequence === undefined || round === undefined || kind === null || !KINDS.has(kind)) {
    throw malformed("a letter without a known kind, number and step", "a letter of this version");
  }
  return { sequence, kind: kind as LetterKind, round, body };
}

/** A number of a header, from 0; undefined where it is none. */
function countOf(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function malformed(found: string, needed: string, cause?: unknown, reason?: string): FedKimError {
  return new FedKimError("FormatError", "The aggregator's answer is malformed.", {
    found,
    needed,
    remedy: "tell the consortium: the aggregator speaks another version, or somebody answers in its place",
    ...(reason === undefined ? {} : { reason }),
    ...(cause === undefined ? {} : { cause }),
  });
}

function redirected(base: string, status: number): FedKimError {
  return new FedKimError("NetworkError", "The aggregator redirects this site to another address.", {
    reason: "redirected",
    found: `status ${status} from ${base}`,
    needed: "an answer",
    remedy: "redirections are not followed: tell the consortium, whose invite has to name the right address",
  });
}

/** What a problem document says; nothing where the answer is none. */
function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return {};
  }
}

/** Exponential back-off from 50 ms to 5 s, with full jitter so that sites do not return all at once. */
function backoffMs(attempt: number): number {
  const spread = crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32;
  return Math.min(5000, 50 * 2 ** Math.min(attempt, 10)) * (0.5 + 0.5 * spread);
}
