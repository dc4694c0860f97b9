import { z } from "zod";
import { type Identity, signLabelled, verifyLabelled } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { fromHex, toHex } from "../formats/hex.ts";
import type { LedgerHead } from "./enrollment_book.ts";

const LABEL = "fedkim/ledger-head/1";

/** A ledger head with the aggregator's signature: a site refuses to go on from an older one (roll-back). */
export interface CountersignedHead extends LedgerHead {
  /** The site whose ledger it is. */
  readonly site: string;
  /** Ed25519 over site, sequence and hash, hexadecimal. */
  readonly signature: string;
}

/** Countersigns a site's ledger head. */
export function countersignHead(site: string, head: LedgerHead, aggregator: Identity): CountersignedHead {
  const signature = toHex(signLabelled(aggregator, LABEL, headBytes(site, head)));
  return { site, sequence: head.sequence, hash: head.hash, signature };
}

/** What the aggregator answers to a site that joins. */
export interface Joined {
  /** The newest head of the site's ledger that it has seen, countersigned; null where it has seen none. */
  readonly head: CountersignedHead | null;
  /** Letters after this number are for the site. */
  readonly newest: number;
}

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const JoinedSchema: z.ZodType<Joined> = z.object({
  head: z.object({
    site: z.string(),
    sequence: count,
    hash: z.string().regex(/^[0-9a-f]{64}$/),
    signature: z.string().regex(/^[0-9a-f]{128}$/),
  }).nullable(),
  newest: count,
});

/** Reads the answer to a join. @throws FedKimError `FormatError` for anything else */
export function parseJoined(value: unknown): Joined {
  const parsed = JoinedSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new FedKimError("FormatError", "The aggregator's answer to the join is malformed.", {
    found: `${issue.path.join(".") || "(top)"}: ${issue.message}`,
    needed: "a countersigned head or null, and the number of the newest letter",
    remedy: "tell the consortium: the aggregator speaks another version, or somebody answers in its place",
  });
}

/** Checks a countersigned head. @throws FedKimError `AuthenticationError` */
export function checkCountersignedHead(
  head: CountersignedHead,
  site: string,
  aggregatorPublicKey: Uint8Array,
): void {
  const signature = fromHex(head.signature);
  if (
    head.site !== site || signature === undefined ||
    !verifyLabelled(aggregatorPublicKey, LABEL, headBytes(site, head), signature)
  ) {
    throw new FedKimError(
      "AuthenticationError",
      "The ledger head is not countersigned by this site's aggregator.",
    );
  }
}

/**
 * Refuses a step of a site whose ledger is not the newest that was seen: it was restored, or it is one of two copies.
 * @param head what the site says
 * @param newest what is known of it, this head included
 * @throws FedKimError `LedgerError`, reason `rolled_back` or `forked`
 */
export function requireNewestHead(head: LedgerHead, newest: LedgerHead): void {
  if (head.sequence === newest.sequence && head.hash === newest.hash) return;
  throw new FedKimError("LedgerError", "The site's ledger is not the one that was seen last.", {
    reason: head.sequence < newest.sequence ? "rolled_back" : "forked",
    found: `entry ${head.sequence}`,
    needed: `entry ${newest.sequence} of the newest ledger, or a later one`,
    remedy: "run one copy of the site's state folder only, the newest",
  });
}

function headBytes(site: string, head: LedgerHead): Uint8Array {
  return new TextEncoder().encode(`${site}\n${head.sequence}\n${head.hash}`);
}
