import type { Identity } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { sha256Hex } from "../formats/canonical_json.ts";
import { HEADERS, signRequest } from "./request_auth.ts";
import { fromProblem } from "./problem.ts";
import type { Letter, LetterKind } from "./mailbox.ts";
import { spanName, withSpan } from "./telemetry.ts";
import { causesOf, tlsRemedy } from "./tls_client.ts";
import { pause } from "./pause.ts";

/** Statuses after which the same request may succeed later. */
const RETRIABLE = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Longest silence, milliseconds: a long poll and a slow line's upload of a chunk are shorter. */
const ANSWER_MS = 120_000;

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

  /** Sends JSON and returns the JSON answer. */
  async postJson<T>(path: string, value: unknown): Promise<T> {
    const body = new TextEncoder().encode(JSON.stringify(value));
    const answer = await this.#request("POST", path, body, "application/json");
    return JSON.parse(new TextDecoder().decode(answer.body)) as T;
  }

  /** Sends a binary protocol message. */
  async postBytes(path: string, body: Uint8Array): Promise<void> {
    await this.#request("POST", path, body, "application/octet-stream");
  }

  /** Waits for the next letter after `after`; undefined when the poll ended without one. */
  async nextLetter(after: number): Promise<Letter | undefined> {
    const { status, headers, body } = await this.#request("GET", `/v1/letters?after=${after}`);
    if (status === 204) return undefined;
    return {
      sequence: Number(headers.get(HEADERS.sequence)),
      kind: headers.get(HEADERS.kind) as LetterKind,
      round: Number(headers.get(HEADERS.round)),
      body,
    };
  }

  /** Fetches an artefact and checks its hash. @throws FedKimError `AuthenticationError` when the bytes differ */
  async artefact(hash: string): Promise<Uint8Array<ArrayBuffer>> {
    const { body: bytes } = await this.#request("GET", `/v1/artefacts/${hash}`);
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
  async #request(method: string, path: string, body?: Uint8Array, type?: string): Promise<Answer> {
    const attributes = { "fedkim.request.bytes": body?.length ?? 0 };
    return await withSpan(spanName(method, path), attributes, () => this.#send(method, path, body, type));
  }

  async #send(method: string, path: string, body?: Uint8Array, type?: string): Promise<Answer> {
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
        const headers = signRequest(this.identity, method, path, body ?? new Uint8Array());
        if (type !== undefined) headers.set("content-type", type);
        const response = await fetch(this.#base + path, {
          method,
          headers,
          ...(body === undefined ? {} : { body: new Uint8Array(body) }),
          signal: AbortSignal.any([this.signal, silent.signal]),
          ...(this.http === undefined ? {} : { client: this.http }),
        });
        const answer = await wholeBody(response, heard);
        if (response.ok) return { status: response.status, headers: response.headers, body: answer };
        const problem = fromProblem(jsonOf(answer), response.status);
        // A proxy, or this machine's own HTTP library, may send a request again whose answer was lost.
        const passes = RETRIABLE.has(response.status) || problem.details.reason === "replayed";
        if (!passes || tooLate()) throw problem;
      } catch (error) {
        this.signal.throwIfAborted();
        if (error instanceof FedKimError) throw error;
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

/** All of an answer's body; each piece of it is a sign of life. */
async function wholeBody(response: Response, heard: () => void): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of response.body ?? []) {
    heard();
    pieces.push(piece);
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
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
