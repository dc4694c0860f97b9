import { equalBytes } from "./_bytes.ts";
import { subsets } from "./_subsets.ts";
import { belowThreshold, protocolAbort } from "./errors.ts";
import type { BlameLedger } from "./blame.ts";
import { type BinaryField, combineShares, lagrangeAt, sharingField } from "./shamir.ts";

/** A share that came back, with its place in the dealer's polynomial. */
export interface PlacedShare {
  /** Shamir coordinate: 1 + rank of the holder in the dealer's closed neighbourhood. */
  readonly coordinate: number;
  /** Roster index of the holder. */
  readonly holder: number;
  /** 32 bytes. */
  readonly share: Uint8Array;
}

/** One secret to recover. */
export interface RecoveryTask {
  /** Shares at hand. */
  readonly shares: readonly PlacedShare[];
  /** Number of shares dealt: decides the field. */
  readonly total: number;
  /** Shares needed. */
  readonly threshold: number;
  /** Roster index of the dealer. */
  readonly dealer: number;
  /** Client id of the dealer. */
  readonly dealerId: string;
  /** True for the secret that fits the dealer's public commitment. */
  readonly isRight: (secret: Uint8Array) => boolean;
  /** Collects who gave shares that do not fit; also orders later tries. */
  readonly ledger: BlameLedger;
}

/** Lagrange coefficients at zero by set of coordinates: on the full graph all dealers share one set. */
export class LagrangeCache {
  #key = "";
  #coefficients: readonly number[] = [];

  /** Coefficients at zero for these coordinates. */
  get(field: BinaryField, coordinates: readonly number[]): readonly number[] {
    const key = `${field.bits}:${coordinates.join()}`;
    if (key !== this.#key) {
      this.#coefficients = lagrangeAt(field, coordinates, 0);
      this.#key = key;
    }
    return this.#coefficients;
  }
}

/** Subsets tried at most before a secret counts as lost. */
const MAX_TRIES = 4096;
/** Further right subsets looked at for a better explanation of wrong shares. */
const MAX_EXPLANATIONS = 64;

/**
 * Recovers a secret from any t right shares. If the first t do not fit the commitment, other subsets are tried, and
 * the shares off the polynomial are put on the ledger.
 * @throws SecAggError BelowThreshold too_few_shares, or ProtocolAbort unrecoverable_secret naming the dealer
 */
export function recoverSecret(task: RecoveryTask, cache: LagrangeCache): Uint8Array {
  const { threshold, ledger, dealer, dealerId, isRight } = task;
  const field = sharingField(task.total);
  if (task.shares.length < threshold) {
    throw belowThreshold("too_few_shares", "shares of a secret came back", task.shares.length, threshold);
  }
  // Holders that gave wrong shares before come last.
  const shares = [...task.shares].sort((a, b) => ledger.wrongShares(a.holder) - ledger.wrongShares(b.holder));
  // With no more wrong shares than this, only one polynomial fits so many (unique decoding of Reed-Solomon codes).
  const certain = Math.floor((shares.length - threshold) / 2);
  let recovered: Uint8Array | undefined;
  let wrong: readonly number[] = [];
  let [tries, explanations] = [0, 0];
  for (const chosen of subsets(shares, threshold, MAX_TRIES)) {
    const coefficients = cache.get(field, chosen.map(({ coordinate }) => coordinate));
    const secret = combineShares(field, coefficients, chosen.map(({ share }) => share));
    if (!isRight(secret)) {
      tries++;
      secret.fill(0);
      continue;
    }
    if (tries === 0) {
      // Holders that were wrong once are watched: more of the same tells a lying holder from a lying dealer.
      const suspects = shares.filter(({ holder }) => ledger.wrongShares(holder) > 0);
      for (const holder of offPolynomial(suspects, field, chosen)) ledger.record(dealer, holder);
      return secret;
    }
    // Colluding holders can make a subset right that contains them: take the explanation with the fewest liars.
    const holders = offPolynomial(shares, field, chosen);
    if (recovered === undefined || holders.length < wrong.length) wrong = holders;
    recovered = secret;
    if (wrong.length <= certain || ++explanations === MAX_EXPLANATIONS) break;
  }
  if (recovered === undefined) {
    throw protocolAbort(
      "unrecoverable_secret",
      "A site's secret cannot be recovered from the shares that came back.",
      {
        found: `shares of ${dealerId} that do not fit its public commitment`,
        remedy:
          "leave this site out of the next round: it dealt wrong shares, or too many others changed theirs",
        blamed: [dealerId],
      },
    );
  }
  for (const holder of wrong) ledger.record(dealer, holder);
  return recovered;
}

/** Holders whose share lies off the polynomial through `right`. */
function offPolynomial(
  shares: readonly PlacedShare[],
  field: BinaryField,
  right: readonly PlacedShare[],
): readonly number[] {
  const coordinates = right.map(({ coordinate }) => coordinate);
  const values = right.map(({ share }) => share);
  return shares.filter((candidate) => {
    if (right.includes(candidate)) return false;
    const expected = combineShares(field, lagrangeAt(field, coordinates, candidate.coordinate), values);
    return !equalBytes(expected, candidate.share);
  }).map(({ holder }) => holder);
}
