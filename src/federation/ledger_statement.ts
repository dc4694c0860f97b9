import { buildReport, readLedger, type ReportSite } from "../dp/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import type { EnrollmentBook } from "./enrollment_book.ts";

/** Where statements are kept. */
const SPACE = "ledger_statement";

/**
 * What a site chooses to tell of its own ledger: budgets, spending and the position of the chain. The ledger itself stays
 * where it is; nobody else can check the figures, but the position is fixed by what the aggregator has countersigned.
 */
export type LedgerStatement = ReportSite;

/** The statement of a ledger file. @throws FedKimError `ConfigError`, `LedgerError` */
export async function ledgerStatement(path: string): Promise<LedgerStatement> {
  const report = buildReport({
    title: "",
    ledgers: [await readLedger(path)],
    unaccounted: [],
    groups: [],
    generatedAt: "",
  });
  return report.sites[0];
}

/**
 * Keeps a site's newest statement.
 * @throws FedKimError `LedgerError` for another site's ledger, or another one than that whose head was countersigned
 */
export async function takeLedgerStatement(
  book: EnrollmentBook,
  site: string,
  statement: LedgerStatement,
): Promise<void> {
  if (statement.site !== site) {
    throw new FedKimError("LedgerError", "The statement is about another site's ledger.", {
      reason: "other_site",
      found: statement.site,
      needed: site,
    });
  }
  const { head } = statement;
  const known = await book.headOf(site);
  if (known?.sequence === head.sequence && known.hash !== head.hash) {
    throw new FedKimError(
      "LedgerError",
      "The statement is about another ledger than the countersigned one.",
      {
        reason: "forked",
        found: `entry ${head.sequence} with hash ${head.hash}`,
        needed: known.hash,
        remedy: "restore the newest copy of the site's state folder",
      },
    );
  }
  const before = await ledgerStatementOf(book, site);
  await book.store.put(SPACE, site, new TextEncoder().encode(JSON.stringify(statement)));
  // A site that states the same again and again is news once.
  if (before?.head.sequence === head.sequence) return;
  await book.audit.record(site, "ledger_stated", { ledgerEntry: head.sequence });
}

/** A site's newest statement; undefined where it has made none. */
export async function ledgerStatementOf(
  book: EnrollmentBook,
  site: string,
): Promise<LedgerStatement | undefined> {
  const bytes = await book.store.get(SPACE, site);
  return bytes && JSON.parse(new TextDecoder().decode(bytes)) as LedgerStatement;
}
