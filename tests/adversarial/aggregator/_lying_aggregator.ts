import { HEADERS } from "../../../src/federation/request_auth.ts";
import type { Letter } from "../../../src/federation/mailbox.ts";
import { sha256Hex } from "../../../src/formats/canonical_json.ts";
import { decodeMessage, generateIdentity, type Identity } from "../../../src/secure_agg/mod.ts";

/** A request of a site, as it reached the aggregator. */
export interface Inbound {
  readonly site: string;
  readonly path: string;
  readonly query: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** An answer in place of the ordinary one; undefined for the ordinary one. */
export type Answer = (request: Inbound) => Response | Promise<Response> | undefined;

/** How long a poll without a letter is held, milliseconds. */
const POLL_MS = 2_000;

/**
 * An aggregator that a test drives: it speaks version 1 of the API on a real port with the federation's own signing key,
 * and gives to each site whatever letters and answers the test wants.
 */
export class LyingAggregator {
  readonly identity: Identity = generateIdentity("aggregator");
  readonly seen: Inbound[] = [];
  /** What it says to a site that joins. */
  join: unknown = { head: null, newest: 0 };
  /** Takes a protocol message of a site; what it throws is answered by 409. */
  onMessage: (request: Inbound, round: number) => void = () => {};
  /** Answers in its place. */
  answer: Answer = () => undefined;
  readonly #artefacts = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #letters = new Map<string, Letter[]>();
  readonly #sequence = new Map<string, number>();
  #changed = Promise.withResolvers<void>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} } as const;
    this.#server = Deno.serve(options, (request) => this.#fetch(request));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async close(): Promise<void> {
    this.touch();
    await this.#server.shutdown();
  }

  /** Puts bytes where sites can fetch them, and gives their hash. */
  publish(bytes: Uint8Array, hash: string = sha256Hex(bytes)): string {
    this.#artefacts.set(hash, new Uint8Array(bytes));
    return hash;
  }

  /** Posts a letter to a site. */
  post(site: string, kind: string, round: number, body: Uint8Array): void {
    const sequence = (this.#sequence.get(site) ?? 0) + 1;
    this.#sequence.set(site, sequence);
    const letter = { sequence, kind: kind as Letter["kind"], round, body: new Uint8Array(body) };
    this.#letters.set(site, [...this.#letters.get(site) ?? [], letter]);
    this.touch();
  }

  /** Forgets what a site was sent, so that it is greeted as a new one. */
  forget(site: string): void {
    this.#letters.delete(site);
    this.#sequence.delete(site);
  }

  /** Types of the protocol messages that a site has sent for a step, from request number `since`. */
  sent(site: string, round: number, since = 0): string[] {
    return this.messages(site, round, since).map((bytes) => decodeMessage(bytes).type);
  }

  /** The protocol messages that a site has sent for a step, from request number `since`. */
  messages(site: string, round: number, since = 0): Uint8Array[] {
    return this.seen.slice(since)
      .filter((request) => request.site === site && request.path === `/v1/rounds/${round}/messages`)
      .map(({ body }) => body);
  }

  /** Resolves at the next request or letter. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** Wakes whoever waits for a change. */
  touch(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #fetch(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const signer = /keyid="([^"]+)"/.exec(request.headers.get("signature-input") ?? "")?.[1] ?? "";
    const body = new Uint8Array(await request.arrayBuffer());
    const { method, headers } = request;
    const inbound: Inbound = { site: signer, path: pathname, query: search, method, headers, body };
    this.seen.push(inbound);
    try {
      return await this.answer(inbound) ?? await this.#ordinary(inbound);
    } finally {
      this.touch();
    }
  }

  async #ordinary(request: Inbound): Promise<Response> {
    const { site, path, query } = request;
    if (path === "/v1/join") return Response.json(this.join);
    if (path === "/v1/letters") return await this.#letter(site, Number(query.replace("?after=", "")));
    const message = /^\/v1\/rounds\/(\d+)\/messages$/.exec(path);
    if (message !== null) {
      try {
        this.onMessage(request, Number(message[1]));
      } catch (error) {
        return Response.json({ code: "UnexpectedMessage", detail: String(error) }, { status: 409 });
      }
    }
    if (path.startsWith("/v1/artefacts/")) {
      const bytes = this.#artefacts.get(path.split("/")[3]);
      if (bytes !== undefined) return new Response(bytes);
      return Response.json({ code: "ArtefactGone", detail: "gone" }, { status: 404 });
    }
    return Response.json({ noted: true });
  }

  async #letter(site: string, after: number): Promise<Response> {
    const end = Date.now() + POLL_MS;
    for (;;) {
      const letter = this.#letters.get(site)?.find(({ sequence }) => sequence > after);
      if (letter !== undefined) return letterResponse(letter);
      const left = end - Date.now();
      if (left <= 0) return new Response(null, { status: 204 });
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<void>((resolve) => timer = setTimeout(resolve, left));
      await Promise.race([this.changed, late]);
      clearTimeout(timer);
    }
  }
}

/** A letter as the API gives it. */
export function letterResponse(letter: Letter): Response {
  return new Response(letter.body, {
    headers: {
      "content-type": "application/octet-stream",
      [HEADERS.sequence]: String(letter.sequence),
      [HEADERS.kind]: letter.kind,
      [HEADERS.round]: String(letter.round),
    },
  });
}
