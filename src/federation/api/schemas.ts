import { z } from "@hono/zod-openapi";
import { MOST_POPULATIONS } from "../../formats/set_name.ts";
import { HoldingsSchema } from "../holdings.ts";
import { ERROR_EXIT_STATUS } from "../../formats/errors.ts";

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));
const memberName = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/).openapi({ example: "mercy" });
const errorCode = z.enum(Object.keys(ERROR_EXIT_STATUS) as [string, ...string[]]);

/** RFC 9457 problem document. */
export const ProblemSchema = z.object({
  type: z.string(),
  code: errorCode,
  status: z.int(),
  detail: z.string(),
  reason: z.string().optional().openapi({ description: "a finer reason inside the code, stable too" }),
}).openapi("Problem");

/** A new member's key, against an invite. */
export const EnrollSchema = z.strictObject({
  site: memberName,
  secret: hex(32),
  publicKey: hex(32),
  signature: hex(64).openapi({ description: "Ed25519 by the new key over site, secret and publicKey" }),
}).openapi("Enrolment");

/** A key that replaces the one that signed the request. */
export const KeySchema = z.strictObject({
  publicKey: hex(32),
  signature: hex(64).openapi({ description: "Ed25519 by the new key over site and publicKey" }),
}).openapi("NewKey");

/** Position of a site's privacy ledger. */
export const HeadSchema = z.strictObject({
  sequence: z.int().min(0).max(2 ** 53 - 1),
  hash: hex(32),
}).openapi("LedgerHead");

/** A site comes in; one that does not state which sets it holds counts as holding none. */
export const JoinSchema = z.strictObject({ head: HeadSchema, holdings: HoldingsSchema.exactOptional() })
  .openapi("Join");

/** The aggregator's signature over the newest head that it has seen of a site. */
export const CountersignedHeadSchema = z.object({
  site: memberName,
  sequence: z.int(),
  hash: z.string(),
  signature: hex(64),
}).openapi("CountersignedHead");

/** Where a joined site's mailbox stands. */
export const JoinedSchema = z.object({
  head: CountersignedHeadSchema.nullable(),
  newest: z.int().openapi({ description: "ask for letters after this number" }),
}).openapi("Joined");

/** A site's answer to the plan: accepted with its new ledger head, or refused with a code and nothing else.
 * A refusal names the SHA-256 of the sealed plan: a plan that cannot be opened has no other hash. */
export const PlanAnswerSchema = z.discriminatedUnion("accepted", [
  z.strictObject({ accepted: z.literal(true), planHash: hex(32), head: HeadSchema }),
  z.strictObject({ accepted: z.literal(false), planHash: hex(32), code: errorCode }),
]).openapi("PlanAnswer");

/** See {@link PlanAnswerSchema}. */
export type PlanAnswer = z.infer<typeof PlanAnswerSchema>;

const bound = z.number().min(0).max(1e12);
const count = z.int().min(0).max(2 ** 53 - 1);
// Not the rule of today: ledgers keep budgets of sets that earlier versions have taken.
const bookedName = z.string().min(1).max(64);
const promise = z.strictObject({
  population: bookedName,
  unit: z.enum(["patient", "record", "image", "site"]),
  neighboring: z.enum(["add_or_remove_one", "replace_one", "replace_special"]),
});
const bookedBudget = promise.extend({
  epsilon: bound,
  delta: bound,
  filter: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("signed_schedule") }),
    z.strictObject({ type: z.literal("renyi"), order: count }),
  ]),
});

/** What a site says of its own ledger: budgets and spending, and nothing of its records. */
export const LedgerStatementSchema = z.strictObject({
  site: memberName,
  head: HeadSchema,
  since: z.iso.datetime(),
  tornLines: count,
  budgetChanges: z.array(z.strictObject({
    at: z.iso.datetime(),
    population: bookedName,
    from: bookedBudget.nullable(),
    to: bookedBudget,
  })).max(1000),
  rows: z.array(promise.extend({
    budget: bound,
    delta: bound,
    deltaLeft: bound,
    spent: bound,
    spentRdp: bound.optional(),
    left: bound,
    committed: bound,
    rounds: count,
    roundsLeft: count.optional(),
  })).max(MOST_POPULATIONS),
}).openapi("LedgerStatement");

/** What an operator may know at any time. */
export const StatusSchema = z.object({
  federation: z.string(),
  stage: z.string(),
  step: z.int().nullable(),
  present: z.int(),
}).openapi("Status");

/** See {@link StatusSchema}. */
export type Status = z.infer<typeof StatusSchema>;

/** One entry of the audit log. */
export const AuditEntrySchema = z.object({
  sequence: z.int(),
  time: z.string(),
  actor: z.string(),
  event: z.string(),
  details: z.record(z.string(), z.union([z.string(), z.number()])),
  previous: hex(32),
  hash: hex(32),
}).openapi("AuditEntry");

/** Parameters in path and query. */
export const PARAMETERS = {
  after: z.coerce.number().int().min(0).max(2 ** 53 - 1).default(0).openapi({
    param: { name: "after", in: "query" },
    description: "number of the last letter that was handled",
  }),
  awaiting: z.coerce.number().int().min(0).max(2 ** 53 - 1).optional().openapi({
    param: { name: "after", in: "query" },
    description: "answer with the letter that follows this number as soon as there is one",
  }),
  round: z.coerce.number().int().min(1).max(100_000).openapi({ param: { name: "round", in: "path" } }),
  head: z.string().regex(/^\d{1,15}\.[0-9a-f]{64}$/).optional().openapi({
    param: { name: "head", in: "query" },
    description: "the site's ledger head after charging this step, sequence.hash",
  }),
  artefact: hex(32).openapi({ param: { name: "hash", in: "path" }, description: "SHA-256 of the bytes" }),
} as const;
