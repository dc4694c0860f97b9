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

function headBytes(site: string, head: LedgerHead): Uint8Array {
  return new TextEncoder().encode(`${site}\n${head.sequence}\n${head.hash}`);
}
