import { FedKimError } from "../../formats/errors.ts";
import { migrate } from "./migrations.ts";
import { decodeReference, encodeReference, joined, type Spool, type SpooledBody } from "./spool.ts";
import type { SqlDatabase, SqlQuery, SqlRow } from "./sql_database.ts";
import type { Body, Bytes, Durability, Fence, Job, LogEntry, Store } from "./store.ts";

/** What the row of an entry holds. */
interface RowContent {
  /** The file of the spool that the body lies in; null where it is here. */
  readonly file: string | null;
  /** The body, or the reference to it. */
  readonly body: Uint8Array;
  /** True where nobody else has these bytes. */
  readonly copied: boolean;
}

/**
 * The store in SQL that both databases speak; what they write differently is in their dialect. Large bodies of entries lie
 * in a spool where there is one: their rows are references into it.
 */
export class SqlStore implements Store {
  readonly #database: SqlDatabase;
  readonly #spool: Spool | undefined;
  readonly #waiting = new Set<(stream: string) => void>();
  readonly #unsubscribe: () => void;
  #closed = false;

  private constructor(database: SqlDatabase, spool: Spool | undefined) {
    this.#database = database;
    this.#spool = spool;
    this.#unsubscribe = database.subscribe((stream) => this.#tell(stream));
  }

  /** Brings the schema up to date and opens the store. @throws FedKimError `StoreError` */
  static async open(database: SqlDatabase, spool: Spool | undefined): Promise<SqlStore> {
    await migrate(database);
    return new SqlStore(database, spool);
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
    bodies: readonly Body[],
    fence?: Fence,
    durability?: Durability,
  ): Promise<number> {
    return (await this.#append(stream, undefined, bodies, fence, durability))!;
  }

  /** See {@link Store}. */
  async appendAfter(
    stream: string,
    newest: number,
    bodies: readonly Body[],
    fence?: Fence,
  ): Promise<number | undefined> {
    return await this.#append(stream, newest, bodies, fence);
  }

  async #append(
    stream: string,
    newest: number | undefined,
    bodies: readonly Body[],
    fence: Fence | undefined,
    durability: Durability = "power",
  ): Promise<number | undefined> {
    const { contents, spooled } = await this.#spoolLarge(stream, bodies);
    // Outside of the transaction nobody waits for it, and inside it finds little left to do.
    if (durability === "power") await this.#spool?.sync(stream);
    const appending = this.#fenced(fence, async (query) => {
      // Making or touching the row locks the stream until the commit.
      const [{ sequence }] = await query(
        `INSERT INTO fedkim_streams (stream, sequence) VALUES ($1, 0)
         ON CONFLICT (stream) DO UPDATE SET sequence = fedkim_streams.sequence RETURNING sequence`,
        [stream],
      );
      if (newest !== undefined && Number(sequence) !== newest) return undefined;
      let at = Number(sequence);
      const last = at + contents.length;
      if (durability === "power") {
        await this.#spool?.sync(stream);
        await query("UPDATE fedkim_streams SET sequence = $2, synced = $2 WHERE stream = $1", [stream, last]);
      } else await query("UPDATE fedkim_streams SET sequence = $2 WHERE stream = $1", [stream, last]);
      for (const { file, body } of contents) {
        await query("INSERT INTO fedkim_entries (stream, sequence, body, file) VALUES ($1, $2, $3, $4)", [
          stream,
          ++at,
          body,
          file,
        ]);
      }
      const { notify } = this.#database.dialect;
      if (notify !== undefined) await query(notify, [stream]);
      return at;
    }, durability);
    const last = await appending.finally(() => {
      this.#spool?.committed(stream, spooled);
      for (const { body, copied } of contents) if (copied) release(body);
    });
    this.#tell(stream);
    return last;
  }

  /** What the rows of entries hold; large bodies are in the spool when it resolves, and {@link Spool.committed} must follow. */
  async #spoolLarge(
    stream: string,
    bodies: readonly Body[],
  ): Promise<{ readonly contents: readonly RowContent[]; readonly spooled: number }> {
    const spool = this.#spool;
    const large = spool === undefined ? [] : bodies.filter((body) => spool.takes(body));
    const written = await Promise.allSettled(large.map((body) => spool!.write(stream, body)));
    const places = new Map<Body, SpooledBody>();
    for (const [i, result] of written.entries()) {
      if (result.status === "fulfilled") places.set(large[i], result.value);
      else {
        spool!.committed(stream, large.length);
        throw result.reason;
      }
    }
    const contents = bodies.map((body) => {
      const place = places.get(body);
      return place === undefined
        ? { file: null, body: joined(body), copied: !(body instanceof Uint8Array) }
        : { file: place.file, body: encodeReference(place), copied: true };
    });
    return { contents, spooled: large.length };
  }

  /** See {@link Store}. */
  read(stream: string, after: number, limit: number): Promise<LogEntry[]> {
    return this.#database.transaction(async (query) => {
      for (;;) {
        const rows = await query(
          `SELECT sequence, body, file FROM fedkim_entries WHERE stream = $1 AND sequence > $2
           ORDER BY sequence LIMIT $3`,
          [stream, after, limit],
        );
        const bodies = await this.#bodiesOf(rows);
        const lost = rows.filter((_, i) => bodies[i] === undefined).map(({ sequence }) => Number(sequence));
        if (lost.length > 0) await forgetLost(query, stream, lost);
        else return rows.map(({ sequence }, i) => ({ sequence: Number(sequence), body: bodies[i]! }));
      }
    }, "process");
  }

  /** Bodies of rows, each undefined where it is not what was written. */
  async #bodiesOf(rows: readonly SqlRow[]): Promise<(Bytes | undefined)[]> {
    const referring = rows.filter(({ file }) => file !== null);
    if (referring.length === 0) return rows.map(({ body }) => bytes(body));
    const references = referring.map(({ file, body }) => decodeReference(String(file), bytes(body)));
    const read = await this.#spool?.read(references) ?? [];
    const found = new Map(referring.map((row, i) => [row, read[i]]));
    return rows.map((row) => row.file === null ? bytes(row.body) : found.get(row));
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
    const files = await this.#fenced(fence, async (query) => {
      const rows = await query(
        "SELECT DISTINCT file FROM fedkim_entries WHERE stream = $1 AND file IS NOT NULL",
        [stream],
      );
      await query("DELETE FROM fedkim_entries WHERE stream = $1", [stream]);
      await query("DELETE FROM fedkim_streams WHERE stream = $1", [stream]);
      return rows.map(({ file }) => String(file));
    });
    await this.#spool?.forget(stream, files);
  }

  /** See {@link Store}. */
  async tidy(fence?: Fence): Promise<void> {
    const spool = this.#spool;
    if (spool === undefined) return;
    // In the transaction: rows of another process come before it or not at all.
    await this.#fenced(fence, async (query) => {
      const rows = await query("SELECT DISTINCT file FROM fedkim_entries WHERE file IS NOT NULL");
      await spool.sweep(new Set(rows.map(({ file }) => String(file))));
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
    await this.#spool?.close();
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

/**
 * Forgets entries whose bodies the loss of power has taken: nobody has been told that they survive it.
 * @throws FedKimError `StoreError`, reason `damaged`, where somebody has
 */
async function forgetLost(query: SqlQuery, stream: string, lost: readonly number[]): Promise<void> {
  const [row] = await query("SELECT synced FROM fedkim_streams WHERE stream = $1", [stream]);
  for (const sequence of lost) {
    if (sequence <= Number(row?.synced ?? 0)) {
      throw new FedKimError("StoreError", "An upload that was on disk is gone or changed.", {
        reason: "damaged",
        found: `entry ${sequence} of ${stream}`,
        remedy: "restore the aggregator's store with the folder beside it from a backup",
      });
    }
    await query("DELETE FROM fedkim_entries WHERE stream = $1 AND sequence = $2", [stream, sequence]);
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

/** Gives memory back now: a body may be as large as a chunk, and the collector would come late. */
function release({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

function bytes(value: unknown): Bytes {
  return new Uint8Array(value as Uint8Array);
}
