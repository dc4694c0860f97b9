import { createRoute, z } from "@hono/zod-openapi";
import {
  AuditEntrySchema,
  EnrollSchema,
  JoinedSchema,
  JoinSchema,
  KeySchema,
  LedgerStatementSchema,
  PARAMETERS,
  PlanAnswerSchema,
  ProblemSchema,
  StatusSchema,
} from "./schemas.ts";

const BINARY = { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } } as const;

const problem = (description: string) => ({
  description,
  content: { "application/problem+json": { schema: ProblemSchema } },
});

/** Problems that any route may answer with. */
const PROBLEMS = {
  400: problem("the request does not have the form of this API version"),
  401: problem("the sender, its signature, its clock or its invite is not accepted"),
  409: problem("not now: the federation is in another state"),
  413: problem("the body is too large"),
  415: problem("the body has another content type"),
  429: problem("too many requests; `retry-after` says when to come back"),
  503: problem("try again in a moment"),
} as const;

const SIGNED = [{ messageSignature: [] }];

function json<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { "application/json": { schema } } } as const;
}

function body<T extends z.ZodType>(schema: T) {
  return { body: { required: true, content: { "application/json": { schema } } } } as const;
}

const noted = json(z.object({ noted: z.literal(true) }), "taken");

/** Every endpoint of version 1: what it takes is checked by the schemas that describe it. */
export const ROUTES = {
  health: createRoute({
    method: "get",
    path: "/healthz",
    summary: "The process answers",
    responses: { 200: json(z.object({ ok: z.literal(true) }), "alive") },
  }),
  ready: createRoute({
    method: "get",
    path: "/readyz",
    summary: "The store answers, so sites may come",
    responses: { 200: json(z.object({ ready: z.literal(true) }), "ready"), 503: PROBLEMS[503] },
  }),
  status: createRoute({
    method: "get",
    path: "/v1/status",
    summary: "Stage and step of the federation",
    responses: { 200: json(StatusSchema, "the present state"), 429: PROBLEMS[429] },
  }),
  enroll: createRoute({
    method: "post",
    path: "/v1/enroll",
    summary: "Pin a key against a one-time invite",
    request: body(EnrollSchema),
    responses: { 200: json(z.object({ enrolled: z.string() }), "enrolled"), ...PROBLEMS },
  }),
  key: createRoute({
    method: "post",
    path: "/v1/key",
    summary: "Replace the sender's key",
    security: SIGNED,
    request: body(KeySchema),
    responses: { 200: json(z.object({ rotated: z.string() }), "replaced"), ...PROBLEMS },
  }),
  join: createRoute({
    method: "post",
    path: "/v1/join",
    summary: "Come in, with the head of the site's ledger",
    security: SIGNED,
    request: body(JoinSchema),
    responses: { 200: json(JoinedSchema, "joined"), ...PROBLEMS },
  }),
  planAnswer: createRoute({
    method: "post",
    path: "/v1/plan/answer",
    summary: "Accept or refuse the plan",
    security: SIGNED,
    request: body(PlanAnswerSchema),
    responses: { 200: noted, ...PROBLEMS },
  }),
  letters: createRoute({
    method: "get",
    path: "/v1/letters",
    summary: "Wait for the next letter (long poll)",
    security: SIGNED,
    request: { query: z.object({ after: PARAMETERS.after }) },
    responses: {
      200: { description: "a letter; number, kind and step are in its headers", content: BINARY },
      204: { description: "none came; ask again" },
      ...PROBLEMS,
    },
  }),
  message: createRoute({
    method: "post",
    path: "/v1/rounds/{round}/messages",
    summary: "Send a secure-aggregation message",
    security: SIGNED,
    request: {
      params: z.object({ round: PARAMETERS.round }),
      query: z.object({ head: PARAMETERS.head, after: PARAMETERS.awaiting }),
      body: { required: true, content: BINARY },
    },
    responses: {
      200: {
        description:
          "taken; where the query has `after`, and the message is no large one, the next letter, as by " +
          "`/v1/letters`",
        content: { ...noted.content, ...BINARY },
      },
      204: { description: "taken; no letter came in time: ask for it" },
      ...PROBLEMS,
    },
  }),
  ticket: createRoute({
    method: "post",
    path: "/v1/ticket",
    summary: "Get a one-time link to the dashboard",
    security: SIGNED,
    responses: { 200: json(z.object({ path: z.string() }), "a path on this server, good once"), ...PROBLEMS },
  }),
  ledger: createRoute({
    method: "post",
    path: "/v1/ledger",
    summary: "State what the sender's ledger says, for the federation's report (sites, if they choose to)",
    security: SIGNED,
    request: body(LedgerStatementSchema),
    responses: { 200: noted, 403: problem("the sender's role does not allow it"), ...PROBLEMS },
  }),
  audit: createRoute({
    method: "get",
    path: "/v1/audit",
    summary: "Read the audit log (operators and auditors)",
    security: SIGNED,
    request: { query: z.object({ after: PARAMETERS.after }) },
    responses: {
      200: json(
        z.object({ entries: z.array(AuditEntrySchema) }),
        "up to 1000 entries after the given number",
      ),
      403: problem("the sender's role does not allow it"),
      ...PROBLEMS,
    },
  }),
  artefact: createRoute({
    method: "get",
    path: "/v1/artefacts/{hash}",
    summary: "Fetch bytes by their hash; ranges and if-none-match are honoured",
    security: SIGNED,
    request: { params: z.object({ hash: PARAMETERS.artefact }) },
    responses: {
      200: { description: "the bytes", content: BINARY },
      206: { description: "the range that was asked for", content: BINARY },
      304: { description: "the sender has them already" },
      404: problem("nothing has this hash any more"),
      416: problem("the range lies outside"),
      ...PROBLEMS,
    },
  }),
} as const;
