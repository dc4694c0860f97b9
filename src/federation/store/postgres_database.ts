import postgres from "postgres";
import { FedKimError } from "../../formats/errors.ts";
import type { SqlDatabase, SqlDialect, SqlQuery, SqlRow } from "./sql_database.ts";

const CHANNEL = "fedkim_streams";
/** Connections of one replica; a transaction holds one. */
const CONNECTIONS = 8;
const CONNECT_SECONDS = 10;

const DIALECT: SqlDialect = {
  bytes: "BYTEA",
  integer: "BIGINT",
  now: "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
  skipLocked: "FOR UPDATE SKIP LOCKED",
  share: "FOR SHARE",
  lockName: "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
  notify: `SELECT pg_notify('${CHANNEL}', $1)`,
};

/** PostgreSQL, shared by several replicas. */
export class PostgresDatabase implements SqlDatabase {
  readonly dialect: SqlDialect = DIALECT;
  readonly #sql: postgres.Sql;
  readonly #listeners = new Set<(stream: string) => void>();

  private constructor(sql: postgres.Sql) {
    this.#sql = sql;
  }

  /**
   * Connects, and listens for what other replicas write.
   * @param url `postgres://user:password@host:port/database`
   * @throws FedKimError `StoreError`, reason `unreachable`, where the server does not answer
   */
  static async open(url: string): Promise<PostgresDatabase> {
    const sql = postgres(url, {
      max: CONNECTIONS,
      connect_timeout: CONNECT_SECONDS,
      onnotice: () => {},
      types: {
        // Sequence numbers and milliseconds stay far below 2^53.
        bigint: { to: 20, from: [20], parse: Number, serialize: String },
      },
    });
    const database = new PostgresDatabase(sql);
    try {
      await sql.listen(CHANNEL, (stream) => database.#tell(stream), () => database.#tell(""));
    } catch (cause) {
      await sql.end({ timeout: 0 }).catch(() => {});
      throw unreachable(cause);
    }
    return database;
  }

  /** See {@link SqlDatabase}. */
  async transaction<T>(work: (query: SqlQuery) => Promise<T>): Promise<T> {
    const failed: { own?: unknown } = {};
    try {
      const result = await this.#sql.begin(async (transaction) => {
        const query: SqlQuery = async (text, values = []) =>
          [...await transaction.unsafe(text, [...values], { prepare: true })] as SqlRow[];
        try {
          return { value: await work(query) };
        } catch (error) {
          failed.own = error;
          throw error;
        }
      });
      return (result as { value: T }).value;
    } catch (error) {
      if (error instanceof FedKimError) throw error;
      if (failed.own === error && !isDatabaseError(error)) throw error;
      throw unreachable(error);
    }
  }

  /** See {@link SqlDatabase}. After a lost connection every stream may have grown: listeners get an empty name. */
  subscribe(listener: (stream: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** See {@link SqlDatabase}. */
  async close(): Promise<void> {
    await this.#sql.end({ timeout: 5 });
  }

  #tell(stream: string): void {
    for (const listener of this.#listeners) listener(stream);
  }
}

function isDatabaseError(error: unknown): boolean {
  return error instanceof Error && "code" in error;
}

function unreachable(cause: unknown): FedKimError {
  return new FedKimError("StoreError", "The PostgreSQL server did not do what was asked.", {
    reason: "unreachable",
    found: cause instanceof Error ? cause.message || cause.name : String(cause),
    remedy: "check that the server runs and that the address, user and password of store.url are right",
    cause,
  });
}
