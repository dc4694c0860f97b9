import { DatabaseSync, type StatementSync } from "node:sqlite";
import { FedKimError } from "../../formats/errors.ts";
import type { Durability } from "./store.ts";
import type { SqlDatabase, SqlDialect, SqlQuery, SqlRow, SqlValue } from "./sql_database.ts";

/** How long a lock of another process may hold up this one at a time, and in all, milliseconds. */
const BLOCKED_MS = 20;
const RETRY_MS = 20;
const PATIENCE_MS = 10_000;
/** Transactions that share a commit at most: the log does not grow without bound between two of them. */
const GROUP = 64;

/** Pages of the write-ahead log from which on it is copied to the file, while everybody waits: 64 MiB. */
const CHECKPOINT_PAGES = 2048;

/** A transaction that waits for its turn. */
interface Waiting {
  /** What it must survive. */
  readonly durability: Durability;
  /** Does its work, and gives what to call once it is durable. */
  readonly run: () => Promise<() => void>;
  /** Called where it has failed. */
  readonly reject: (error: unknown) => void;
}

const DIALECT: SqlDialect = {
  bytes: "BLOB",
  integer: "INTEGER",
  now: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
  skipLocked: "",
  share: "",
  lockName: undefined,
  notify: undefined,
};

/**
 * SQLite in this process: write-ahead log, transactions one after the other in shared commits. A commit with a transaction
 * for `power` among it is followed by an fsync of the log, which takes all earlier ones along: the one that SQLite's
 * `synchronous = FULL` would do, but on one of the system's file threads, while this one reads and checks what comes in.
 */
export class SqliteDatabase implements SqlDatabase {
  readonly dialect: SqlDialect = DIALECT;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #waiting: Waiting[] = [];
  #committing: Promise<void> | undefined;
  /** The write-ahead log, as far as it has to be synced here; SQLite keeps no lock on it that closing would end. */
  #log: Deno.FsFile | undefined;

  private constructor(db: DatabaseSync, private readonly logPath: string | undefined) {
    this.#db = db;
  }

  /**
   * Opens or makes a database file, readable by its owner only.
   * @param path the file, or `:memory:`
   * @throws FedKimError `StoreError`, reason `unreachable`, where it cannot be opened or is no database
   */
  static open(path: string): SqliteDatabase {
    try {
      if (path !== ":memory:") Deno.openSync(path, { write: true, create: true, mode: 0o600 }).close();
      const db = new DatabaseSync(path);
      // Upload chunks are megabytes: large pages write them three times as fast as the default ones.
      db.exec(`PRAGMA busy_timeout = 5000; PRAGMA page_size = 32768; PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA temp_store = MEMORY;
        PRAGMA busy_timeout = ${BLOCKED_MS};`);
      const logged = db.prepare("PRAGMA journal_mode").get()?.journal_mode === "wal";
      // A file system that can keep no such log: SQLite itself syncs every commit then.
      if (!logged) db.exec("PRAGMA synchronous = FULL");
      return new SqliteDatabase(db, logged ? `${path}-wal` : undefined);
    } catch (cause) {
      throw new FedKimError("StoreError", `The database ${path} cannot be opened.`, {
        reason: "unreachable",
        found: cause instanceof Error ? cause.message : String(cause),
        needed: "a SQLite file in a folder that this process may write",
        cause,
      });
    }
  }

  /** See {@link SqlDatabase}. Those that wait together share one commit, and so one fsync; each may still fail alone. */
  transaction<T>(
    work: (query: SqlQuery) => Promise<T>,
    durability: Durability = "power",
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const query: SqlQuery = (text, values = []) => this.#query(text, values);
      this.#waiting.push({
        durability,
        run: async () => {
          const value = await work(query);
          return () => resolve(value);
        },
        reject,
      });
      this.#committing ??= this.#commitAll();
    });
  }

  /** Commits whatever waits, group after group, until nothing does. */
  async #commitAll(): Promise<void> {
    // Whoever asks in the same turn joins the first group.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, GROUP);
      const done: (() => void)[] = [];
      try {
        await this.#begin();
        for (const waiting of group) await this.#runOne(waiting, done);
        this.#db.exec("COMMIT");
        if (group.some(({ durability }) => durability === "power")) await this.#sync();
        for (const resolve of done) resolve();
      } catch (error) {
        // A full disk has rolled back already.
        if (this.#db.isOpen && this.#db.isTransaction) this.#db.exec("ROLLBACK");
        if (isFull(error)) this.#shorten();
        const cause = isSqlite(error) || isSystem(error) ? unusable(error) : error;
        for (const { reject } of group) reject(cause); // without effect where one has failed before
      }
    }
    this.#committing = undefined;
  }

  /** Copies the log to the file and empties it, if the file has room: it may be the log itself that has filled the disk. */
  #shorten(): void {
    try {
      this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // There is no room for that either: whoever comes next finds the disk full again.
    }
  }

  /** Resolves when all commits survive the loss of power: they are in the log, or have been copied on to the file. */
  async #sync(): Promise<void> {
    if (this.logPath === undefined) return;
    this.#log ??= await Deno.open(this.logPath, { read: true, write: true });
    await this.#log.syncData();
  }

  /** Runs one of a group; one that fails leaves nothing. @throws what ends the whole group */
  async #runOne({ run, reject }: Waiting, done: (() => void)[]): Promise<void> {
    this.#db.exec("SAVEPOINT one");
    try {
      done.push(await run());
    } catch (error) {
      if (!this.#db.isTransaction) throw error;
      this.#db.exec("ROLLBACK TO one");
      reject(isSqlite(error) ? unusable(error) : error);
    } finally {
      if (this.#db.isTransaction) this.#db.exec("RELEASE one");
    }
  }

  /** Nobody else writes here; the store tells its own listeners. */
  subscribe(): () => void {
    return () => {};
  }

  /** See {@link SqlDatabase}. */
  async close(): Promise<void> {
    await this.#committing;
    this.#statements.clear();
    this.#log?.close();
    this.#db.close();
  }

  /** Waits for another process (an invite on the command line) without holding this one up. */
  async #begin(): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        return this.#db.exec("BEGIN IMMEDIATE");
      } catch (error) {
        if (!isLocked(error) || performance.now() > deadline) throw unusable(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #query(text: string, values: readonly SqlValue[]): Promise<SqlRow[]> {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.#db.prepare(text.replaceAll(/\$(\d+)/g, "?$1"));
      this.#statements.set(text, statement);
    }
    return Promise.resolve(statement.all(...values) as SqlRow[]);
  }
}

function isSqlite(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";
}

/** What the system says of a file. */
function isSystem(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^E[A-Z]+$/.test(String(error.code));
}

function isLocked(error: unknown): boolean {
  return isSqlite(error) && /locked|busy/.test((error as Error).message);
}

function isFull(error: unknown): boolean {
  return isSqlite(error) && /disk is full|disk I\/O error/.test((error as Error).message);
}

function unusable(cause: unknown): FedKimError {
  return new FedKimError("StoreError", "The database did not take the change.", {
    reason: "unreachable",
    found: cause instanceof Error ? cause.message : String(cause),
    remedy: "look at free disk space, and at other programs that hold the file",
    cause,
  });
}
