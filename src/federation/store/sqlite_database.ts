import { DatabaseSync, type StatementSync } from "node:sqlite";
import { FedKimError } from "../../formats/errors.ts";
import type { SqlDatabase, SqlDialect, SqlQuery, SqlRow, SqlValue } from "./sql_database.ts";

/** How long a lock of another process may hold up this one at a time, and in all, milliseconds. */
const BLOCKED_MS = 20;
const RETRY_MS = 20;
const PATIENCE_MS = 10_000;

const DIALECT: SqlDialect = {
  bytes: "BLOB",
  integer: "INTEGER",
  now: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
  skipLocked: "",
  share: "",
  lockName: undefined,
  notify: undefined,
};

/** SQLite in this process: write-ahead log, fsync at every commit, transactions one after the other. */
export class SqliteDatabase implements SqlDatabase {
  readonly dialect: SqlDialect = DIALECT;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(db: DatabaseSync) {
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
      db.exec(`PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        PRAGMA busy_timeout = ${BLOCKED_MS};`);
      return new SqliteDatabase(db);
    } catch (cause) {
      throw new FedKimError("StoreError", `The database ${path} cannot be opened.`, {
        reason: "unreachable",
        found: cause instanceof Error ? cause.message : String(cause),
        needed: "a SQLite file in a folder that this process may write",
        cause,
      });
    }
  }

  /** See {@link SqlDatabase}. */
  transaction<T>(work: (query: SqlQuery) => Promise<T>): Promise<T> {
    const result = this.#queue.then(async () => {
      await this.#begin();
      try {
        const value = await work((text, values = []) => this.#query(text, values));
        this.#db.exec("COMMIT");
        return value;
      } catch (error) {
        // A full disk has rolled back already.
        if (this.#db.isOpen && this.#db.isTransaction) this.#db.exec("ROLLBACK");
        throw isSqlite(error) ? unusable(error) : error;
      }
    });
    this.#queue = result.catch(() => {});
    return result;
  }

  /** Nobody else writes here; the store tells its own listeners. */
  subscribe(): () => void {
    return () => {};
  }

  /** See {@link SqlDatabase}. */
  async close(): Promise<void> {
    await this.#queue;
    this.#statements.clear();
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

function isLocked(error: unknown): boolean {
  return isSqlite(error) && /locked|busy/.test((error as Error).message);
}

function unusable(cause: unknown): FedKimError {
  return new FedKimError("StoreError", "The database did not take the change.", {
    reason: "unreachable",
    found: cause instanceof Error ? cause.message : String(cause),
    remedy: "look at free disk space, and at other programs that hold the file",
    cause,
  });
}
