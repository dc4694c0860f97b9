import { createHash } from "node:crypto";
import { cryptoRandomBytes, type RandomBytes } from "../../formats/random_bytes.ts";
import { toHex } from "../../formats/hex.ts";
import { canonicalJson } from "../events/mod.ts";
import { ledgerError } from "./_errors.ts";
import type { LedgerHead, LedgerRecord, RecordBody, TornLine } from "./types.ts";

/** The hash before the first record. */
export const GENESIS = "0".repeat(64);

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** Bytes of a record's salt. */
const SALT_BYTES = 32;

/**
 * The record that follows `head`, with a salt of its own: heads leave the site, and what a record says (budgets,
 * names, a time) is little enough to be searched for by whoever holds its hash and the one before it.
 * @param body what it says
 * @param head the record before it; undefined for the first one
 * @param randomBytes source of the salt
 */
export function sealRecord(
  body: RecordBody,
  head: LedgerHead | undefined,
  randomBytes: RandomBytes = cryptoRandomBytes,
): LedgerRecord {
  const salt = toHex(randomBytes(SALT_BYTES));
  const placed = { ...body, sequence: (head?.sequence ?? -1) + 1, previous: head?.hash ?? GENESIS, salt };
  return { ...placed, hash: sha256(canonicalJson(placed)) };
}

/** Description of a line that is not a record. */
export function tornLine(bytes: Uint8Array): TornLine {
  return { bytes: bytes.length, sha256: sha256(bytes) };
}

/** What the bytes of a ledger file say. */
export interface ChainContent {
  /** The valid records, in order. */
  readonly records: readonly LedgerRecord[];
  /** Lines at the end that are no records and that no later record accounts for. */
  readonly torn: readonly TornLine[];
  /** True where the file does not end with a line feed. */
  readonly unterminated: boolean;
}

/**
 * A line as a record, or undefined where it is no JSON, as a write that was cut short leaves it.
 * @param position number of records before it, for the error
 * @throws FedKimError LedgerError (`damaged`) for a whole record with another hash: no power cut writes that
 */
function readRecord(line: Uint8Array, position: number): LedgerRecord | undefined {
  let record: LedgerRecord;
  try {
    record = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line));
  } catch {
    return undefined;
  }
  if (typeof record !== "object" || record === null) throw damaged(position);
  const { hash, ...rest } = record;
  if (hash !== textHash(rest)) throw damaged(position);
  return record;
}

/** Hash of a record's text; undefined for numbers that no record of ours has, such as 1e999. */
function textHash(record: object): string | undefined {
  try {
    return sha256(canonicalJson(record));
  } catch {
    return undefined;
  }
}

/**
 * Verifies the whole chain. A line that is no record is allowed at the very end, where power may have been
 * lost while it was written, or directly before a `torn` record that names it. A record that does not
 * follow the one before it is damage, wherever it stands; a complete record that only lacks its line feed
 * counts.
 * @throws FedKimError LedgerError (`damaged`) for anything else
 */
export function readChain(bytes: Uint8Array): ChainContent {
  const records: LedgerRecord[] = [];
  let torn: TornLine[] = [];
  let start = 0;
  let unterminated = false;
  while (start < bytes.length) {
    const feed = bytes.indexOf(10, start);
    unterminated = feed < 0;
    const end = unterminated ? bytes.length : feed;
    const line = bytes.subarray(start, end);
    start = end + 1;
    const record = readRecord(line, records.length);
    if (record === undefined) {
      torn.push(tornLine(line));
      continue;
    }
    const head = records.at(-1);
    const follows = record.sequence === (head?.sequence ?? -1) + 1 &&
      record.previous === (head?.hash ?? GENESIS);
    if (!follows) throw damaged(records.length);
    const named = record.type === "torn" ? record.lines : [];
    if (canonicalJson(named) !== canonicalJson(torn)) throw damaged(records.length);
    torn = [];
    records.push(record);
  }
  if (torn.length > 1 && records.length === 0) throw damaged(0);
  return { records, torn, unterminated };
}

function damaged(sequence: number): Error {
  return ledgerError(
    "damaged",
    "The privacy ledger is damaged.",
    `a line that does not follow record ${sequence - 1} of the chain`,
    "restore the file from a copy whose head is the one the aggregator countersigned; do not edit it",
  );
}
