// @ts-types="@types/pg"
import pg from "pg";
import { FedKimError } from "../../formats/errors.ts";
import type { SqlDatabase, SqlDialect, SqlQuery, SqlRow } from "./sql_database.ts";

const CHANNEL = "fedkim_streams";
/** Connections of one replica; a transaction holds one. */
const CONNECTIONS = 8;
const CONNECT_MS = 10_000;
/** Pause before a lost connection for notifications is opened again. */
const RELISTEN_MS = 250;
/** Type number of 64-bit integers. */
const INT8 = 20;

const DIALECT: SqlDialect = {
  bytes: "BYTEA",
  integer: "BIGINT",
  now: "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
  skipLocked: "FOR UPDATE SKIP LOCKED",
  share: "FOR SHARE",
  lockName: "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
  notify: `SELECT pg_notify('${CHANNEL}', $1)`,
};

/** Sequence numbers and milliseconds stay far below 2^53. */
const TYPES: pg.CustomTypesConfig = {
  getTypeParser:
    ((oid: number, format?: "text") =>
      oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

/** PostgreSQL, shared by several replicas. */
export class PostgresDatabase implements SqlDatabase {
  readonly dialect: SqlDialect = DIALECT;
  readonly #pool: pg.Pool;
  readonly #listeners = new Set<(stream: string) => void>();
  #ear: pg.Client | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  private constructor(private readonly options: pg.ClientConfig) {
    this.#pool = new pg.Pool({ ...options, max: CONNECTIONS });
    // A connection that breaks is told by the query in flight, and replaced when the next one is needed.
    this.#pool.on("error", () => {});
    this.#pool.on("connect", (client) => client.on("error", () => {}));
  }

  /**
   * Connects, and listens for what other replicas write.
   * @param url `postgres://user:password@host:port/database`
   * @throws FedKimError `StoreError`, reason `unreachable`, where the server does not answer
   */
  static async open(url: string): Promise<PostgresDatabase> {
    const database = new PostgresDatabase({
      connectionString: url,
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      types: TYPES,
    });
    try {
      await database.#listen();
    } catch (cause) {
      await database.close();
      throw unreachable(cause);
    }
    return database;
  }

  /** See {@link SqlDatabase}. */
  async transaction<T>(work: (query: SqlQuery) => Promise<T>): Promise<T> {
    let client: pg.PoolClient | undefined;
    let broken = false;
    try {
      client = await this.#pool.connect();
      const connected = client;
      const query: SqlQuery = async (text, values = []) =>
        (await connected.query({ text, values: [...values] })).rows as SqlRow[];
      await query("BEGIN");
      try {
        const result = await work(query);
        await query("COMMIT");
        return result;
      } catch (error) {
        broken = await query("ROLLBACK").then(() => false, () => true);
        throw error;
      }
    } catch (error) {
      throw isTrouble(error) ? unreachable(error) : error;
    } finally {
      client?.release(broken);
    }
  }

  /** See {@link SqlDatabase}. After a lost connection every stream may have grown: listeners get an empty name. */
  subscribe(listener: (stream: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** See {@link SqlDatabase}. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    await this.#ear?.end().catch(() => {});
    await this.#pool.end();
  }

  /** Opens the connection that notifications come by, and another one whenever it is lost. */
  async #listen(): Promise<void> {
    const ear = new pg.Client(this.options);
    ear.on("error", () => {}); // "end" follows
    ear.on("notification", ({ payload }) => this.#tell(payload ?? ""));
    try {
      await ear.connect();
      await ear.query(`LISTEN ${CHANNEL}`);
    } catch (error) {
      await ear.end().catch(() => {});
      throw error;
    }
    if (this.#closed) return await ear.end();
    this.#ear = ear;
    ear.once("end", () => this.#listenAgain());
    this.#tell("");
  }

  #listenAgain(): void {
    if (this.#closed) return;
    this.#retry = setTimeout(() => void this.#listen().catch(() => this.#listenAgain()), RELISTEN_MS);
  }

  #tell(stream: string): void {
    for (const listener of this.#listeners) listener(stream);
  }
}

/** Lost connections, and the server's own states: connection, resources, log-in, deadlock, shutdown (SQLSTATE 08, 28, 3D, 40,
 * 53, 57). */
function isTrouble(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? String(error.code) : "";
  // The driver's own words for a connection that went away carry no code.
  return /^(E[A-Z]+|(08|28|3D|40|53|57)[0-9A-Z]{3})$/.test(code) || /connection|timeout/i.test(error.message);
}

function unreachable(cause: unknown): FedKimError {
  return new FedKimError("StoreError", "The PostgreSQL server did not do what was asked.", {
    reason: "unreachable",
    found: cause instanceof Error ? cause.message || cause.name : String(cause),
    remedy: "check that the server runs and that the address, user and password of store.url are right",
    cause,
  });
}
