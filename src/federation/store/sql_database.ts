import type { Durability } from "./store.ts";

/** A value of a statement. */
export type SqlValue = string | number | Uint8Array | null;

/** A row of an answer. */
export type SqlRow = Readonly<Record<string, unknown>>;

/** Runs one statement inside a transaction; parameters are written `$1`, `$2`, … */
export type SqlQuery = (text: string, values?: readonly SqlValue[]) => Promise<SqlRow[]>;

/** What the SQL store needs of a database: transactions, a clock, and word of changes. */
export interface SqlDatabase {
  /** What is written differently here. */
  readonly dialect: SqlDialect;

  /**
   * Runs work in one transaction: committed when it resolves, rolled back when it throws.
   * @param durability see {@link Durability}; `power` by default
   */
  transaction<T>(work: (query: SqlQuery) => Promise<T>, durability?: Durability): Promise<T>;

  /** Calls back after a stream has grown, whoever wrote it; returns how to stop. */
  subscribe(listener: (stream: string) => void): () => void;

  /** Ends everything. */
  close(): Promise<void>;
}

/** Differences between the two SQL dialects that the store has to know. */
export interface SqlDialect {
  /** Type of a column that holds bytes. */
  readonly bytes: "BLOB" | "BYTEA";
  /** Type of a column that holds 64-bit integers. */
  readonly integer: "INTEGER" | "BIGINT";
  /** Milliseconds since 1970 by the one clock that all replicas share. */
  readonly now: string;
  /** Added to the SELECT that picks a job, so that two workers never wait for each other. */
  readonly skipLocked: "" | "FOR UPDATE SKIP LOCKED";
  /** Added to the SELECT that checks a fence, so that the lease cannot change hands before the commit. */
  readonly share: "" | "FOR SHARE";
  /** Statement with `$1` that keeps a name to one transaction at a time, or none where transactions never overlap. */
  readonly lockName: string | undefined;
  /** Statement with `$1` that tells subscribers after the commit, or none where the store's own process is the only one. */
  readonly notify: string | undefined;
}
