import { dirname } from "node:path";
import { FedKimError } from "../../formats/errors.ts";
import { cryptoRandomBytes, type RandomBytes } from "../../formats/random_bytes.ts";
import { SMALLEST_DELTA } from "../accounting/mod.ts";
import { Balance } from "./balance.ts";
import { type ChainContent, readChain } from "./chain.ts";
import { ledgerError } from "./_errors.ts";
import { Ledger } from "./ledger.ts";
import { type LedgerStatus, statusOf } from "./status.ts";
import type { LedgerBudget, LedgerRecord } from "./types.ts";

/** How every ledger file begins. */
const OPENING = '{"type":"open","format":"fedkim-ledger/1",';

/** How a ledger is opened. */
export interface LedgerOptions {
  /** Name of the site; a ledger belongs to one site for ever. */
  readonly site: string;
  /** One budget per population. */
  readonly budgets: readonly LedgerBudget[];
  /** Clock for the records' time stamps. */
  readonly now?: () => Date;
  /** Source of the records' salts; the operating system's by default. */
  readonly randomBytes?: RandomBytes;
}

/** Checks budgets and fills in their filters. */
function complete(budgets: readonly LedgerBudget[]): Required<LedgerBudget>[] {
  const names = new Set(budgets.map((b) => b.population));
  if (budgets.length === 0 || names.size !== budgets.length || !budgets.every(isBudget)) {
    throw new FedKimError("ConfigError", "The budgets of the privacy ledger are not valid.", {
      found: `${budgets.length} budgets`,
      needed: "one per population, with a known unit, relation and filter, epsilon in (0, 10000], delta in " +
        "[1e-13, 1), integer Renyi order from 2",
    });
  }
  return budgets.map(({ population, unit, neighboring, epsilon, delta, filter }) => ({
    population,
    unit,
    neighboring,
    epsilon,
    delta,
    filter: filter?.type === "renyi" ? { type: "renyi", order: filter.order } : { type: "signed_schedule" },
  }));
}

function isBudget({ population, unit, neighboring, epsilon, delta, filter }: LedgerBudget): boolean {
  const known = filter === undefined || filter.type === "signed_schedule" ||
    (filter.type === "renyi" && Number.isSafeInteger(filter.order) && filter.order >= 2);
  return typeof population === "string" && population.length > 0 && known &&
    ["patient", "record", "image", "site"].includes(unit) &&
    ["add_or_remove_one", "replace_one", "replace_special"].includes(neighboring) &&
    epsilon > 0 && epsilon <= 1e4 && delta >= SMALLEST_DELTA && delta < 1;
}

/** Replays verified records. */
function replay(content: ChainContent): { balance: Balance; open: LedgerRecord & { type: "open" } } {
  const open = content.records[0];
  if (open?.type !== "open" || open.format !== "fedkim-ledger/1") {
    throw notALedger();
  }
  try {
    checkRecords(content.records);
    const balance = new Balance(open.budgets);
    for (const record of content.records) balance.apply(record);
    return { balance, open };
  } catch (error) {
    if (error instanceof FedKimError) throw error;
    // The chain is whole, so this is no damage of the disk: another program has written it.
    throw ledgerError(
      "damaged",
      "The privacy ledger holds a record that this version cannot read.",
      error instanceof Error ? error.message : String(error),
      "restore the file from a copy whose head is the one the aggregator countersigned",
    );
  }
}

/** What reports print has to be there with its type: a chain of right hashes may hold anything. @throws TypeError */
function checkRecords(records: readonly LedgerRecord[]): void {
  for (const record of records) {
    const fine = typeof record.at === "string" && !Number.isNaN(Date.parse(record.at)) &&
      (record.type !== "open" || (typeof record.site === "string" && record.budgets.every(isBudget))) &&
      (record.type !== "budget" || record.changes.every(({ to }) => isBudget(to))) &&
      (record.type !== "commit" || typeof record.planHash === "string") &&
      (record.type !== "charge" || Number.isSafeInteger(record.round));
    if (!fine) throw new TypeError(`record ${record.sequence} of type ${record.type}`);
  }
}

function notALedger(): FedKimError {
  return ledgerError(
    "damaged",
    "The privacy ledger has no valid first record.",
    "another kind of file",
    "check the path",
  );
}

/** True for an empty file and for what a power cut may leave of a first record: the beginning of it, or zeros. */
function isTornOpening(bytes: Uint8Array): boolean {
  if (bytes.includes(10)) return false;
  if (bytes.every((byte) => byte === 0)) return true;
  const text = new TextDecoder().decode(bytes);
  return (text.startsWith(OPENING) || OPENING.startsWith(text)) && !text.includes('"planHash"');
}

/**
 * Opens a site's ledger, or creates it. The file is locked against a second process until `close()`,
 * replayed and verified. A last line that was torn by a power cut is kept as evidence, reported in the
 * status and counted as spent. Budgets that differ from those of the file are recorded in it and hold from
 * then on; what was spent stays spent.
 * @param path the file; its folder must exist
 * @throws FedKimError LedgerError: `locked`, `damaged`, `other_site`, `other_promise`
 */
export async function openLedger(path: string, options: LedgerOptions): Promise<Ledger> {
  const budgets = complete(options.budgets);
  const { now = () => new Date(), randomBytes = cryptoRandomBytes } = options;
  const sources = { now, randomBytes };
  const file = await openFile(path);
  try {
    if (!file.tryLockSync(true)) {
      throw ledgerError(
        "locked",
        "Another process is using this privacy ledger.",
        path,
        "stop the other process; two of them cannot spend one budget",
      );
    }
    const bytes = await Deno.readFile(path);
    const content = readChain(bytes);
    if (content.records.length === 0) {
      // Nothing but a torn first record may be here: then no plan was committed, and nothing was spent.
      if (!isTornOpening(bytes)) throw notALedger();
      await file.truncate(0);
      const ledger = new Ledger(path, file, new Balance(budgets), [], sources);
      await ledger.begin(options.site, budgets);
      await syncFolder(path);
      return ledger;
    }
    const { balance, open } = replay(content);
    if (open.site !== options.site) {
      throw ledgerError(
        "other_site",
        "This privacy ledger belongs to another site.",
        open.site,
        "use its own",
      );
    }
    const ledger = new Ledger(path, file, balance, [...content.records], sources);
    if (content.unterminated) await ledger.appendBytes(new Uint8Array([10]));
    if (content.torn.length > 0) await ledger.recordTorn(content.torn);
    await ledger.changeBudgets(budgets);
    return ledger;
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * Reads a ledger without locking or changing it, for reports. Torn lines are counted as they would be on
 * opening.
 */
export async function readLedger(path: string): Promise<LedgerStatus> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (cause) {
    throw new FedKimError("ConfigError", "The privacy ledger cannot be read.", {
      found: path,
      remedy: "check the path and its permissions",
      cause,
    });
  }
  const content = readChain(bytes);
  const { balance } = replay(content);
  if (content.torn.length > 0) {
    for (const population of balance.populations.values()) {
      population.chargeTorn(population.possibleTornCharge(content.torn.length));
    }
  }
  return statusOf(content.records, balance, content.torn.length);
}

async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { read: true, write: true, append: true, create: true, mode: 0o600 });
  } catch (cause) {
    throw ledgerError(
      "unreadable",
      `The privacy ledger cannot be opened: ${cause instanceof Error ? cause.message : "unknown"}.`,
      path,
      "create its folder and give this process write access",
    );
  }
}

/** Makes a new file's name durable; platforms that cannot sync a folder keep it durable with the file. */
async function syncFolder(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  const folder = await Deno.open(dirname(path), { read: true });
  try {
    await folder.sync();
  } finally {
    folder.close();
  }
}
