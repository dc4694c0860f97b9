import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { secureHeaders } from "hono/secure-headers";
import { FedKimError } from "../../formats/errors.ts";
import { VERSION } from "../../formats/version.ts";
import type { ArtefactStore } from "../artefact_store.ts";
import type { Holdings } from "../holdings.ts";
import type { CountersignedHead } from "../ledger_head.ts";
import type { EnrollmentBook, LedgerHead, Role } from "../enrollment_book.ts";
import { type LedgerStatement, takeLedgerStatement } from "../ledger_statement.ts";
import type { Letter } from "../mailbox.ts";
import { dashboardApp, type DashboardOptions } from "../dashboard/mod.ts";
import { artefactResponse } from "./artefact_response.ts";
import { onlyKnownMethods } from "./methods.ts";
import { readBody } from "./body.ts";
import { BodyGate, LARGE_BYTES } from "./body_gate.ts";
import { toProblem } from "../problem.ts";
import { callerOf, type RateLimit, RateLimiter } from "./rate_limit.ts";
import { HEADERS, RequestVerifier } from "../request_auth.ts";
import { ROUTES } from "./routes.ts";
import type { PlanAnswer, Status } from "./schemas.ts";

/** How long a poll waits for a letter before it answers 204, milliseconds. */
const LONG_POLL_MS = 20_000;
/** Anybody, by address: a consortium behind one gateway, uploads and all. */
const ADDRESS_LIMIT: RateLimit = { burst: 4000, perSecond: 400 };
/** Endpoints without signature, by address: enough for that consortium to enroll at once. */
const STRANGER_LIMIT: RateLimit = { burst: 200, perSecond: 20 };
/** Members, by identity: a step takes about ten requests and an upload one for each chunk. */
const MEMBER_LIMIT: RateLimit = { burst: 2000, perSecond: 200 };

/** Large bodies of members that are in memory at a time, bytes; whoever comes then waits with its bytes unread. */
const BODIES_HELD = 16 * 2 ** 20;

/** Where messages of a step go; the group is its number. */
const MESSAGE_PATH = /^\/v1\/rounds\/(\d{1,9})\/messages$/;

/** What a browser must be told of data that it was led to: every answer of every step carries it, so no more than that. */
const DATA_HEADERS = {
  crossOriginOpenerPolicy: false,
  crossOriginResourcePolicy: false, // no page of anybody can sign a request
  originAgentCluster: false,
  referrerPolicy: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xFrameOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
} as const;

/** Largest body of an endpoint that needs no signature, bytes. */
const UNSIGNED_BODY_BYTES = 16_384;

/** What the HTTP surface needs of the running aggregator. */
export interface AggregatorDesk {
  /** Admits a site to the federation and says where its mailbox stands. */
  join(
    site: string,
    head: LedgerHead,
    holdings?: Holdings,
  ): Promise<{ head: CountersignedHead | null; newest: number }>;
  /** Changes a key; refused while a signed plan names the old one. */
  changeKey<T>(change: () => Promise<T>): Promise<T>;
  /** Takes a site's answer to the plan. */
  planAnswer(site: string, answer: PlanAnswer): Promise<void>;
  /** Waits until a large message of a site can be taken; gives how to say that it has come. */
  admit(site: string, round: number): Promise<() => void>;
  /** Takes a secure-aggregation message; true where it keeps the bytes, whose buffer is its own from then on. */
  roundMessage(site: string, round: number, bytes: Uint8Array, head?: LedgerHead): Promise<boolean>;
  /** Notes that bytes of a member's request are coming in. */
  arriving(member: string): void;
  /** The next letter for a site, waiting for one. */
  nextLetter(site: string, after: number, timeoutMs: number): Promise<Letter | undefined>;
  /** Notes that a member has called, and with which software. */
  seen(member: string, software: string): void;
  /** Public state for operators: stage, step, joined sites. */
  status(): Status;
}

/** What Deno's server knows of a request besides itself. */
export interface ConnectionInfo {
  /** Address of the other end. */
  readonly remoteAddr?: { readonly hostname?: string };
}

/** What the application is made of. */
export interface AggregatorAppOptions {
  /** The running aggregator. */
  readonly desk: AggregatorDesk & DashboardOptions["desk"];
  /** Enrolled members. */
  readonly book: EnrollmentBook;
  /** What members may fetch by hash. */
  readonly artefacts: ArtefactStore;
  /** The run's folder, which the dashboard reads. */
  readonly run: string;
  /** Name of the federation. */
  readonly federation: string;
  /** Largest request body, bytes. */
  readonly maxBodyBytes: number;
}

/** What the middleware finds out about a request. */
interface Environment {
  Bindings: ConnectionInfo;
  Variables: { member: string; kept: boolean };
}

/**
 * The aggregator's HTTP API, version 1, described by itself at `/openapi.json`. Sites only ever call out; every request
 * but health, status, description and enrolment carries the HTTP message signature of an enrolled member.
 * @param options see {@link AggregatorAppOptions}
 */
export function aggregatorApp(options: AggregatorAppOptions): OpenAPIHono<Environment> {
  const { desk, book, artefacts, maxBodyBytes } = options;
  const app = new OpenAPIHono<Environment>({
    defaultHook: (result) => {
      if (result.success) return;
      const found = result.error.issues.map(({ path, message }) =>
        `${path.join(".") || "(top)"}: ${message}`
      );
      throw new FedKimError("FormatError", "The request does not have the form of this API version.", {
        found: `${result.target}: ${found.slice(0, 5).join("; ")}`,
        needed: "what /openapi.json describes",
      });
    },
  });
  const dashboard = dashboardApp(options);
  // Answers for programs: of the headers for browsers only those that make sense for data.
  app.use("/v1/*", secureHeaders(DATA_HEADERS));
  const address = ({ env }: Context<Environment>) => callerOf(env?.remoteAddr?.hostname ?? "unknown");
  app.use(unlessProbe(limited(new RateLimiter(ADDRESS_LIMIT), address)));
  app.use(onlyKnownMethods(() => app.routes));
  const stranger = limited(new RateLimiter(STRANGER_LIMIT), address);
  app.use("/v1/enroll", stranger, unsignedBody());
  app.use("/v1/status", stranger);
  app.use("/dashboard/enter", stranger);
  app.onError((error, c) => {
    const problem = toProblem(error);
    if (problem.code === "InternalError") console.error(error);
    return c.body(JSON.stringify(problem), problem.status as 400, {
      "content-type": "application/problem+json",
    });
  });
  app.notFound(() => {
    throw new FedKimError("FormatError", "There is no such endpoint in this API version.", {
      reason: "no_endpoint",
      needed: "one of /openapi.json",
    });
  });
  const signed = [
    signature(
      book,
      maxBodyBytes,
      limited(new RateLimiter(MEMBER_LIMIT), (c) => c.get("member")),
      desk,
    ),
  ] as const;
  for (
    const path of [
      "/v1/key",
      "/v1/join",
      "/v1/plan/answer",
      "/v1/letters",
      "/v1/rounds/*",
      "/v1/audit",
      "/v1/ticket",
      "/v1/ledger",
      "/v1/artefacts/*",
    ]
  ) {
    app.use(path, ...signed);
  }

  app.openapi(ROUTES.health, (c) => c.json({ ok: true as const }, 200));
  app.openapi(ROUTES.ready, async (c) => {
    await book.store.newest("ready");
    return c.json({ ready: true as const }, 200);
  });
  app.openapi(ROUTES.status, (c) => c.json(desk.status(), 200));
  app.openapi(ROUTES.enroll, async (c) => {
    const { site, secret, publicKey, signature } = c.req.valid("json");
    await book.enroll(site, secret, publicKey, signature);
    return c.json({ enrolled: site }, 200);
  });
  app.openapi(ROUTES.key, async (c) => {
    const { publicKey, signature } = c.req.valid("json");
    await desk.changeKey(() => book.rotate(c.get("member"), publicKey, signature));
    return c.json({ rotated: c.get("member") }, 200);
  });
  app.openapi(ROUTES.join, async (c) => {
    const { head, holdings } = c.req.valid("json");
    return c.json(await desk.join(c.get("member"), head, holdings), 200);
  });
  app.openapi(ROUTES.planAnswer, async (c) => {
    await desk.planAnswer(c.get("member"), c.req.valid("json"));
    return c.json({ noted: true as const }, 200);
  });
  app.openapi(ROUTES.letters, async (c) => {
    const letter = await desk.nextLetter(c.get("member"), c.req.valid("query").after, LONG_POLL_MS);
    return letter === undefined ? c.body(null, 204) : c.body(letter.body, 200, letterHeaders(letter));
  });
  app.openapi(ROUTES.message, async (c) => {
    requireBinary(c.req.header("content-type"));
    const body = new Uint8Array(await c.req.arrayBuffer());
    const { head, after } = c.req.valid("query");
    const large = body.length >= LARGE_BYTES;
    const kept = await desk.roundMessage(c.get("member"), c.req.valid("param").round, body, headOf(head));
    c.set("kept", kept);
    // A large body has its place among those that are held: it must not keep it while it waits.
    if (after === undefined || large) return c.json({ noted: true as const }, 200);
    if (!kept) body.buffer.transfer(0);
    const letter = await desk.nextLetter(c.get("member"), after, LONG_POLL_MS);
    return letter === undefined ? c.body(null, 204) : c.body(letter.body, 200, letterHeaders(letter));
  });
  app.openapi(ROUTES.ticket, async (c) => {
    return c.json({ path: await dashboard.enter(c.get("member")) }, 200);
  });
  app.openapi(ROUTES.ledger, async (c) => {
    await requireRole(book, c.get("member"), ["site"]);
    await takeLedgerStatement(book, c.get("member"), c.req.valid("json") as LedgerStatement);
    return c.json({ noted: true as const }, 200);
  });
  app.openapi(ROUTES.audit, async (c) => {
    await requireRole(book, c.get("member"), ["operator", "auditor"]);
    return c.json({ entries: await book.audit.read(c.req.valid("query").after) }, 200);
  });
  app.openapi(ROUTES.artefact, (c) => {
    const { hash } = c.req.valid("param");
    return artefactResponse(artefacts.get(hash), hash, c.req.raw.headers);
  });
  app.route("/dashboard", dashboard.app);
  app.openAPIRegistry.registerComponent("securitySchemes", "messageSignature", {
    type: "apiKey",
    in: "header",
    name: "Signature",
    description:
      "HTTP message signature (RFC 9421), Ed25519, label and tag `fedkim`, over @method, @path, @query, " +
      "content-digest and fedkim-protocol, with created, expires, nonce and keyid",
  });
  app.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: {
      title: "FedKIM aggregator",
      version: VERSION,
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
  });
  return app;
}

/** Lets a request pass whose signature an enrolled member has made, and notes who; only then is its body read. */
function signature(
  book: EnrollmentBook,
  maxBodyBytes: number,
  memberLimit: MiddlewareHandler<Environment>,
  desk: Pick<AggregatorDesk, "seen" | "admit" | "arriving">,
): MiddlewareHandler<Environment> {
  const bodies = new BodyGate(BODIES_HELD);
  const verifier = new RequestVerifier({
    publicKeyOf: async (name) => {
      const member = await book.member(name);
      return member === undefined || member.revoked ? undefined : member.publicKey;
    },
    once: (nonce, ttlMs) => book.store.once("nonce", nonce, ttlMs),
  });
  return async (c, next) => {
    const { pathname, search } = new URL(c.req.url);
    const request = await verifier.authenticate(c.req.method, pathname + search, c.req.raw.headers);
    c.set("member", request.name);
    const announced = Math.min(Number(c.req.header("content-length")), maxBodyBytes);
    return await memberLimit(c, async () => {
      const step = announced >= LARGE_BYTES ? MESSAGE_PATH.exec(pathname) : null;
      const entered = step === null ? () => {} : await desk.admit(request.name, Number(step[1]));
      try {
        await bodies.hold(announced, async () => {
          const body = await readBody(c.req, maxBodyBytes, undefined, () => desk.arriving(request.name));
          await verifier.accept(request, body);
          desk.seen(request.name, (c.req.header("user-agent") ?? "unknown").slice(0, 64));
          await next();
          // Nobody else keeps a body, and the collector would come late: what is let in next is let in for this one.
          if (!c.get("kept") && !body.buffer.detached) body.buffer.transfer(0);
        });
      } finally {
        entered();
      }
    });
  };
}

/** Reads the small body of an endpoint that needs no signature, so that it is there in time or not at all. */
function unsignedBody(): MiddlewareHandler<Environment> {
  return async (c, next) => {
    await readBody(c.req, UNSIGNED_BODY_BYTES);
    await next();
  };
}

/** Protocol messages are bytes: whoever says that they are something else has mistaken the endpoint. */
function requireBinary(type: string | undefined): void {
  if (type === undefined || type.split(";")[0].trim().toLowerCase() === "application/octet-stream") return;
  throw new FedKimError("FormatError", "The request's body has another content type.", {
    reason: "content_type",
    found: type.slice(0, 100),
    needed: "application/octet-stream",
  });
}

/** Probes of a load balancer come from an address that many share. */
function unlessProbe(limit: MiddlewareHandler<Environment>): MiddlewareHandler<Environment> {
  return (c, next) => c.req.path === "/healthz" || c.req.path === "/readyz" ? next() : limit(c, next);
}

async function requireRole(book: EnrollmentBook, name: string, roles: readonly Role[]): Promise<void> {
  const role = (await book.member(name))?.role;
  if (role !== undefined && roles.includes(role)) return;
  throw new FedKimError("AuthenticationError", "The sender's role does not allow this.", {
    reason: "role",
    found: role ?? "no role",
    needed: roles.join(" or "),
  });
}

function limited(
  limiter: RateLimiter,
  caller: (c: Context<Environment>) => string | undefined,
): MiddlewareHandler<Environment> {
  return async (c, next) => {
    const name = caller(c);
    const wait = name === undefined ? 0 : limiter.take(name);
    if (wait === 0) return await next();
    c.header("retry-after", String(wait));
    throw new FedKimError("NetworkError", "Too many requests.", {
      reason: "rate_limited",
      remedy: `come back in ${wait} s`,
    });
  };
}

/** What a letter is, beside its body. */
function letterHeaders({ sequence, kind, round }: Letter): Record<string, string> {
  return {
    "content-type": "application/octet-stream",
    [HEADERS.sequence]: String(sequence),
    [HEADERS.kind]: kind,
    [HEADERS.round]: String(round),
  };
}

/** A ledger head in a query, `sequence.hash`. */
function headOf(text: string | undefined): LedgerHead | undefined {
  if (text === undefined) return undefined;
  const [sequence, hash] = text.split(".");
  return { sequence: Number(sequence), hash };
}
