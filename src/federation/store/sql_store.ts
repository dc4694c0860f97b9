import { FedKimError } from "../../formats/errors.ts";
import { migrate } from "./migrations.ts";
import type { SqlDatabase, SqlQuery } from "./sql_database.ts";
import type { Bytes, Durability, Fence, Job, LogEntry, Store } from "./store.ts";

/** The store in SQL that both databases speak; what they write differently is in their dialect. */
export class SqlStore implements Store {
  readonly #database: SqlDatabase;
  readonly #waiting = new Set<(stream: string) => void>();
  readonly #unsubscribe: () => void;
  #closed = false;

  private constructor(database: SqlDatabase) {
    this.#database = database;
    this.#unsubscribe = database.subscribe((stream) => this.#tell(stream));
  }

  /** Brings the schema up to date and opens the store. @throws FedKimError `StoreError` */
  static async open(database: SqlDatabase): Promise<SqlStore> {
    await migrate(database);
    return new SqlStore(database);
  }

  /** See {@link Store}. */
  get(space: string, key: string): Promise<Bytes | undefined> {
    return this.#database.transaction((query) => document(query, space, key), "process");
  }

  /** See {@link Store}. */
  async put(space: string, key: string, value: Uint8Array, fence?: Fence): Promise<void> {
    await this.#fenced(fence, async (query) => {
      await this.#lock(query, space, key);
      await write(query, space, key, value);
    });
  }

  /** See {@link Store}. */
  update(
    space: string,
    key: string,
    change: (old: Bytes | undefined) => Uint8Array | undefined,
    fence?: Fence,
  ): Promise<Bytes | undefined> {
    return this.#fenced(fence, async (query) => {
      await this.#lock(query, space, key);
      const old = await document(query, space, key);
      const next = change(old);
      if (next === undefined) return old;
      await write(query, space, key, next);
      return new Uint8Array(next);
    });
  }

  /** See {@link Store}. */
  async delete(space: string, key: string, fence?: Fence): Promise<void> {
    await this.#fenced(fence, async (query) => {
      await this.#lock(query, space, key);
      await query("DELETE FROM fedkim_documents WHERE space = $1 AND key = $2", [space, key]);
    });
  }

  /** See {@link Store}. */
  async keys(space: string): Promise<string[]> {
    const rows = await this.#database.transaction(
      (query) => query("SELECT key FROM fedkim_documents WHERE space = $1", [space]),
      "process",
    );
    return rows.map(({ key }) => String(key)).sort();
  }

  /** See {@link Store}. */
  async append(
    stream: string,
    bodies: readonly Uint8Array[],
    fence?: Fence,
    durability?: Durability,
  ): Promise<number> {
    return (await this.#append(stream, undefined, bodies, fence, durability))!;
  }

  /** See {@link Store}. */
  async appendAfter(
    stream: string,
    newest: number,
    bodies: readonly Uint8Array[],
    fence?: Fence,
  ): Promise<number | undefined> {
    return await this.#append(stream, newest, bodies, fence);
  }

  async #append(
    stream: string,
    newest: number | undefined,
    bodies: readonly Uint8Array[],
    fence: Fence | undefined,
    durability?: Durability,
  ): Promise<number | undefined> {
    const last = await this.#fenced(fence, async (query) => {
      // Making or touching the row locks the stream until the commit.
      const [{ sequence }] = await query(
        `INSERT INTO fedkim_streams (stream, sequence) VALUES ($1, 0)
         ON CONFLICT (stream) DO UPDATE SET sequence = fedkim_streams.sequence RETURNING sequence`,
        [stream],
      );
      if (newest !== undefined && Number(sequence) !== newest) return undefined;
      await query("UPDATE fedkim_streams SET sequence = sequence + $2 WHERE stream = $1", [
        stream,
        bodies.length,
      ]);
      let at = Number(sequence);
      for (const body of bodies) {
        await query("INSERT INTO fedkim_entries (stream, sequence, body) VALUES ($1, $2, $3)", [
          stream,
          ++at,
          body,
        ]);
      }
      const { notify } = this.#database.dialect;
      if (notify !== undefined) await query(notify, [stream]);
      return at;
    }, durability);
    this.#tell(stream);
    return last;
  }

  /** See {@link Store}. */
  async read(stream: string, after: number, limit: number): Promise<LogEntry[]> {
    const rows = await this.#database.transaction((query) =>
      query(
        `SELECT sequence, body FROM fedkim_entries WHERE stream = $1 AND sequence > $2
         ORDER BY sequence LIMIT $3`,
        [stream, after, limit],
      ), "process");
    return rows.map(({ sequence, body }) => ({ sequence: Number(sequence), body: bytes(body) }));
  }

  /** See {@link Store}. */
  async newest(stream: string): Promise<number> {
    const [row] = await this.#database.transaction(
      (query) => query("SELECT sequence FROM fedkim_streams WHERE stream = $1", [stream]),
      "process",
    );
    return Number(row?.sequence ?? 0);
  }

  /** See {@link Store}. */
  async trim(stream: string, through: number, fence?: Fence): Promise<void> {
    await this.#fenced(
      fence,
      (query) => query("DELETE FROM fedkim_entries WHERE stream = $1 AND sequence <= $2", [stream, through]),
    );
  }

  /** See {@link Store}. */
  async forget(stream: string, fence?: Fence): Promise<void> {
    await this.#fenced(fence, async (query) => {
      await query("DELETE FROM fedkim_entries WHERE stream = $1", [stream]);
      await query("DELETE FROM fedkim_streams WHERE stream = $1", [stream]);
    });
  }

  /** See {@link Store}. */
  async wait(stream: string, after: number, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!this.#closed) {
      // Listening begins before looking: what comes in between wakes at once.
      const told = this.#change(stream, deadline - performance.now(), signal);
      try {
        if (await this.newest(stream) > after) return true;
        if (!(await told.change)) return false;
      } catch (error) {
        if (this.#closed) return false;
        throw error;
      } finally {
        told.cancel();
      }
    }
    return false;
  }

  /** See {@link Store}. */
  async once(space: string, key: string, ttlMs: number): Promise<boolean> {
    const { now } = this.#database.dialect;
    const rows = await this.#database.transaction(async (query) => {
      await query(`DELETE FROM fedkim_once WHERE expires_at < ${now}`);
      return await query(
        `INSERT INTO fedkim_once (space, key, expires_at) VALUES ($1, $2, ${now} + $3)
         ON CONFLICT (space, key) DO NOTHING RETURNING key`,
        [space, key, ttlMs],
      );
    }, "process"); // whatever the caller writes for the key comes later, and takes the key along
    return rows.length === 1;
  }

  /** See {@link Store}. */
  async acquire(lease: string, owner: string, ttlMs: number): Promise<Fence | undefined> {
    const { now } = this.#database.dialect;
    const rows = await this.#database.transaction((query) =>
      query(
        `INSERT INTO fedkim_leases (name, owner, token, expires_at) VALUES ($1, $2, 1, ${now} + $3)
         ON CONFLICT (name) DO UPDATE SET owner = $2, expires_at = ${now} + $3,
           token = fedkim_leases.token
             + CASE WHEN fedkim_leases.owner = $2 AND fedkim_leases.expires_at >= ${now} THEN 0 ELSE 1 END
         WHERE fedkim_leases.owner = $2 OR fedkim_leases.expires_at < ${now} RETURNING token`,
        [lease, owner, ttlMs],
      )
    );
    return rows.length === 0 ? undefined : { lease, owner, token: Number(rows[0].token) };
  }

  /** See {@link Store}. */
  async renew({ lease, owner, token }: Fence, ttlMs: number): Promise<boolean> {
    const { now } = this.#database.dialect;
    const rows = await this.#database.transaction((query) =>
      query(
        `UPDATE fedkim_leases SET expires_at = ${now} + $4
         WHERE name = $1 AND owner = $2 AND token = $3 RETURNING token`,
        [lease, owner, token, ttlMs],
      )
    );
    return rows.length === 1;
  }

  /** See {@link Store}. */
  async release({ lease, owner, token }: Fence): Promise<void> {
    await this.#database.transaction((query) =>
      query(
        "UPDATE fedkim_leases SET owner = '', expires_at = 0 WHERE name = $1 AND owner = $2 AND token = $3",
        [lease, owner, token],
      )
    );
  }

  /** See {@link Store}. */
  async enqueue(queue: string, key: string, payload: Uint8Array): Promise<void> {
    await this.#database.transaction((query) =>
      query(
        `INSERT INTO fedkim_jobs (queue, key, payload, claim, claimed_until) VALUES ($1, $2, $3, 0, 0)
         ON CONFLICT (queue, key) DO NOTHING`,
        [queue, key, payload],
      )
    );
  }

  /** See {@link Store}. */
  claim(queue: string, ttlMs: number): Promise<Job | undefined> {
    const { now, skipLocked } = this.#database.dialect;
    return this.#database.transaction(async (query) => {
      const [found] = await query(
        `SELECT key, payload FROM fedkim_jobs
         WHERE queue = $1 AND result IS NULL AND claimed_until < ${now} ORDER BY key LIMIT 1 ${skipLocked}`,
        [queue],
      );
      if (found === undefined) return undefined;
      const key = String(found.key);
      const [{ claim }] = await query(
        `UPDATE fedkim_jobs SET claim = claim + 1, claimed_until = ${now} + $3
         WHERE queue = $1 AND key = $2 RETURNING claim`,
        [queue, key, ttlMs],
      );
      return { queue, key, payload: bytes(found.payload), claim: Number(claim) };
    });
  }

  /** See {@link Store}. */
  async finish({ queue, key, claim }: Job, result: Uint8Array): Promise<boolean> {
    const rows = await this.#database.transaction((query) =>
      query(
        `UPDATE fedkim_jobs SET result = $4
         WHERE queue = $1 AND key = $2 AND claim = $3 AND result IS NULL RETURNING key`,
        [queue, key, claim, result],
      )
    );
    return rows.length === 1;
  }

  /** See {@link Store}. */
  async results(queue: string): Promise<{ readonly key: string; readonly result: Bytes }[]> {
    const rows = await this.#database.transaction((query) =>
      query("SELECT key, result FROM fedkim_jobs WHERE queue = $1 AND result IS NOT NULL", [queue])
    );
    return rows.map(({ key, result }) => ({ key: String(key), result: bytes(result) }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** See {@link Store}. */
  async drop(queue: string): Promise<void> {
    await this.#database.transaction((query) => query("DELETE FROM fedkim_jobs WHERE queue = $1", [queue]));
  }

  /** See {@link Store}. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    this.#tell("");
    await this.#database.close();
  }

  /** Runs a write whose fence is checked, and kept, in the same transaction. */
  #fenced<T>(
    fence: Fence | undefined,
    work: (query: SqlQuery) => Promise<T>,
    durability?: Durability,
  ): Promise<T> {
    const { share } = this.#database.dialect;
    return this.#database.transaction(async (query) => {
      if (fence !== undefined) {
        const [held] = await query(`SELECT owner, token FROM fedkim_leases WHERE name = $1 ${share}`, [
          fence.lease,
        ]);
        if (held === undefined || held.owner !== fence.owner || Number(held.token) !== fence.token) {
          throw new FedKimError("StoreError", `The lease ${fence.lease} is held by another replica now.`, {
            reason: "fenced",
            remedy: "let the other replica go on; this one takes part again when the lease is free",
          });
        }
      }
      return await work(query);
    }, durability);
  }

  /** Keeps a document to this transaction, also one that does not exist yet. */
  async #lock(query: SqlQuery, space: string, key: string): Promise<void> {
    const { lockName } = this.#database.dialect;
    if (lockName !== undefined) await query(lockName, [`${space}\n${key}`]);
  }

  #tell(stream: string): void {
    for (const listener of this.#waiting) listener(stream);
  }

  /** Resolves true at the next change of a stream, false at the time-out or abort. */
  #change(
    stream: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): { readonly change: Promise<boolean>; readonly cancel: () => void } {
    let cancel = (): void => {};
    const change = new Promise<boolean>((resolve) => {
      const end = (changed: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(listener);
        signal?.removeEventListener("abort", aborted);
        resolve(changed);
      };
      const listener = (name: string): void => {
        if (name === stream || name === "") end(true);
      };
      const aborted = (): void => end(false);
      const timer = setTimeout(aborted, Math.max(0, timeoutMs));
      this.#waiting.add(listener);
      signal?.addEventListener("abort", aborted);
      if (signal?.aborted) aborted();
      cancel = aborted;
    });
    return { change, cancel };
  }
}

async function document(query: SqlQuery, space: string, key: string): Promise<Bytes | undefined> {
  const [row] = await query("SELECT value FROM fedkim_documents WHERE space = $1 AND key = $2", [space, key]);
  return row === undefined ? undefined : bytes(row.value);
}

async function write(query: SqlQuery, space: string, key: string, value: Uint8Array): Promise<void> {
  await query(
    `INSERT INTO fedkim_documents (space, key, value) VALUES ($1, $2, $3)
     ON CONFLICT (space, key) DO UPDATE SET value = $3`,
    [space, key, value],
  );
}

function bytes(value: unknown): Bytes {
  return new Uint8Array(value as Uint8Array);
}
