import type { OpenAPIHono } from "@hono/zod-openapi";
import { aggregatorApp } from "../../../src/federation/api/app.ts";
import { signRequest } from "../../../src/federation/request_auth.ts";
import { ArtefactStore } from "../../../src/federation/artefact_store.ts";
import { ENROLL_LABEL, EnrollmentBook, type Role } from "../../../src/federation/enrollment_book.ts";
import { RunStore } from "../../../src/federation/run_store.ts";
import { type OfferedPlan, SiteDesk } from "../../../src/federation/site_desk.ts";
import { toHex } from "../../../src/formats/hex.ts";
import { generateIdentity, type Identity, signLabelled } from "../../../src/secure_agg/mod.ts";

/** An aggregator's HTTP surface in this process, with one enrolled site. */
export interface Service {
  readonly app: OpenAPIHono<never>;
  readonly book: EnrollmentBook;
  readonly desk: SiteDesk;
  readonly artefacts: ArtefactStore;
  readonly site: Identity;
  /** Sends a request, signed by the site unless told otherwise. */
  send(method: string, path: string, options?: SendOptions): Promise<Response>;
}

/** How a request differs from the usual one. */
export interface SendOptions {
  readonly body?: Uint8Array | string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signer?: Identity | "nobody";
  readonly address?: string;
}

/** Runs a body against a fresh service. */
export async function withService(
  body: (service: Service) => Promise<void>,
  maxBodyBytes = 100_000,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const book = await EnrollmentBook.open(dir);
  const stop = new AbortController();
  const desk = new SiteDesk({
    federation: "test",
    sites: ["a", "b", "c"],
    joinDeadlineMs: 60_000,
    book,
    run: new RunStore(book.store, "test", undefined),
    audit: book.audit,
    identity: book.identity,
    onProgress: () => {},
    signal: stop.signal,
  });
  const artefacts = new ArtefactStore();
  const app = aggregatorApp({ desk, book, artefacts, maxBodyBytes, federation: "test", run: dir });
  const site = generateIdentity("a");
  await enroll(book, site);
  await body({
    app: app as never,
    book,
    desk,
    artefacts,
    site,
    async send(method, path, options = {}) {
      const content = typeof options.body === "string"
        ? new TextEncoder().encode(options.body)
        : new Uint8Array(options.body ?? []);
      const signer = options.signer ?? site;
      const headers = signer === "nobody" ? new Headers() : signRequest(signer, method, path, content);
      if (options.type !== undefined) headers.set("content-type", options.type);
      if (method !== "GET" && method !== "HEAD") headers.set("content-length", String(content.length));
      for (const [name, value] of Object.entries(options.headers ?? {})) headers.set(name, value);
      const request = new Request(`http://aggregator${path}`, {
        method,
        headers,
        ...(method === "GET" || method === "HEAD" ? {} : { body: content }),
      });
      return await app.fetch(request, { remoteAddr: { hostname: options.address ?? "127.0.0.1" } });
    },
  });
  desk.close();
  await book.close();
  await Deno.remove(dir, { recursive: true });
}

/** Something to offer as a plan, where nobody opens it. */
export function offeredPlan(hash = "plan"): OfferedPlan {
  return { hash, sealed: new Uint8Array([1]), steps: 10 };
}

/** Enrolls an identity as its owner would. */
export async function enroll(book: EnrollmentBook, who: Identity, role: Role = "site"): Promise<void> {
  const { secret } = await book.invite(who.id, "https://fed.example.org", role);
  const key = toHex(who.publicKey);
  const proof = signLabelled(who, ENROLL_LABEL, new TextEncoder().encode(`${who.id}\n${secret}\n${key}`));
  await book.enroll(who.id, secret, key, toHex(proof));
}
