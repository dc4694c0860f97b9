import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { secureHeaders } from "hono/secure-headers";
import { z } from "zod";
import { FedKimError } from "../formats/errors.ts";
import type { ArtefactStore } from "./artefact_store.ts";
import type { CountersignedHead } from "./ledger_head.ts";
import type { EnrollmentBook, LedgerHead } from "./enrollment_book.ts";
import type { Letter } from "./mailbox.ts";
import { toProblem } from "./problem.ts";
import { HEADERS, RequestVerifier } from "./request_auth.ts";

/** How long a poll waits for a letter before it answers 204, milliseconds. */
const LONG_POLL_MS = 20_000;

const EnrollSchema = z.strictObject({
  site: z.string(),
  secret: z.string(),
  publicKey: z.string(),
  signature: z.string(),
});
const HeadSchema = z.strictObject({ sequence: z.number().int(), hash: z.string().max(128) });
const JoinSchema = z.strictObject({ head: HeadSchema });
const AnswerSchema = z.discriminatedUnion("accepted", [
  z.strictObject({ accepted: z.literal(true), planHash: z.string(), head: HeadSchema }),
  z.strictObject({ accepted: z.literal(false), code: z.string().max(64) }),
]);

/** A site's answer to the plan: accepted with its new ledger head, or refused with a code and nothing else. */
export type PlanAnswer = z.infer<typeof AnswerSchema>;

/** What the HTTP surface needs of the running aggregator. */
export interface AggregatorDesk {
  /** Admits a site to the federation and says where its mailbox stands. */
  join(site: string, head: LedgerHead): Promise<{ head: CountersignedHead | null; newest: number }>;
  /** Takes a site's answer to the plan. */
  planAnswer(site: string, answer: PlanAnswer): Promise<void>;
  /** Takes a secure-aggregation message. */
  roundMessage(site: string, round: number, bytes: Uint8Array, head?: LedgerHead): Promise<void>;
  /** The next letter for a site, waiting for one. */
  nextLetter(site: string, after: number, timeoutMs: number): Promise<Letter | undefined>;
  /** Public state for operators: stage, step, joined sites. */
  status(): Record<string, unknown>;
}

/**
 * The aggregator's HTTP API, version 1. Sites only ever call out; every request but health, status and enrolment is
 * signed by an enrolled identity.
 * @param desk the running aggregator
 * @param book enrolled sites
 * @param artefacts what sites may fetch by hash
 * @param maxBodyBytes largest request body
 */
export function aggregatorApp(
  desk: AggregatorDesk,
  book: EnrollmentBook,
  artefacts: ArtefactStore,
  maxBodyBytes: number,
): Hono {
  const app = new Hono();
  const verifier = new RequestVerifier((site) => book.publicKeyOf(site));
  app.use(secureHeaders());
  app.use(bodyLimit({
    maxSize: maxBodyBytes,
    onError: () => {
      throw new FedKimError("FormatError", "The request body is too large.", {
        needed: `at most ${maxBodyBytes} bytes`,
      });
    },
  }));
  app.onError((error, c) => {
    const problem = toProblem(error);
    if (problem.code === "InternalError") console.error(error);
    return c.body(JSON.stringify(problem), problem.status as 400, {
      "content-type": "application/problem+json",
    });
  });

  /** Body and sender of a signed request. */
  const signed = async (request: Request): Promise<{ site: string; body: Uint8Array }> => {
    const url = new URL(request.url);
    const body = new Uint8Array(await request.arrayBuffer());
    return { site: verifier.verify(request.method, url.pathname + url.search, request.headers, body), body };
  };

  app.get("/healthz", (c) => c.json({ ok: true }));
  app.get("/v1/status", (c) => c.json(desk.status()));
  app.post("/v1/enroll", async (c) => {
    const { site, secret, publicKey, signature } = readJson(
      EnrollSchema,
      new Uint8Array(await c.req.arrayBuffer()),
    );
    await book.enroll(site, secret, publicKey, signature);
    return c.json({ enrolled: site });
  });
  app.post("/v1/join", async (c) => {
    const { site, body } = await signed(c.req.raw);
    return c.json(await desk.join(site, readJson(JoinSchema, body).head));
  });
  app.post("/v1/plan/answer", async (c) => {
    const { site, body } = await signed(c.req.raw);
    await desk.planAnswer(site, readJson(AnswerSchema, body));
    return c.json({ noted: true });
  });
  app.get("/v1/letters", async (c) => {
    const { site } = await signed(c.req.raw);
    const after = Number(c.req.query("after") ?? "0");
    const letter = await desk.nextLetter(site, after, LONG_POLL_MS);
    if (letter === undefined) return c.body(null, 204);
    return c.body(letter.body, 200, {
      "content-type": "application/octet-stream",
      [HEADERS.sequence]: String(letter.sequence),
      [HEADERS.kind]: letter.kind,
      [HEADERS.round]: String(letter.round),
    });
  });
  app.post("/v1/rounds/:round/messages", async (c) => {
    const { site, body } = await signed(c.req.raw);
    await desk.roundMessage(site, Number(c.req.param("round")), body, headOf(c.req.query("head")));
    return c.json({ noted: true });
  });
  app.get("/v1/artefacts/:hash", async (c) => {
    await signed(c.req.raw);
    const hash = c.req.param("hash");
    return c.body(artefacts.get(hash), 200, {
      "content-type": "application/octet-stream",
      etag: `"${hash}"`,
    });
  });
  return app;
}

function readJson<T>(schema: z.ZodType<T>, body: Uint8Array): T {
  try {
    return schema.parse(JSON.parse(new TextDecoder().decode(body)));
  } catch (cause) {
    throw new FedKimError("FormatError", "The request body does not have the form of this API version.", {
      cause,
    });
  }
}

/** A ledger head in a query, `sequence.hash`. */
function headOf(text: string | undefined): LedgerHead | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d{1,15})\.([0-9a-f]{64})$/.exec(text);
  if (match === null) throw new FedKimError("FormatError", "The ledger head in the request is malformed.");
  return { sequence: Number(match[1]), hash: match[2] };
}
