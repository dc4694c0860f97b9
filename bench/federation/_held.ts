import { DatabaseSync } from "node:sqlite";

/** What a process holds at one moment. */
export interface Held {
  /** Bytes of JavaScript objects after a look of the garbage collector's own choosing. */
  readonly heapBytes: number;
  /** Resident memory, bytes. */
  readonly residentBytes: number;
  /** Open files and sockets. */
  readonly handles: number;
  /** Rows of the store, but for once-only keys. */
  readonly rows: number;
  /** Once-only keys: one for every request of the last twenty minutes. */
  readonly nonces: number;
}

const TABLES = ["documents", "streams", "entries", "leases", "jobs"];

/** Counts what this process holds. @param database its SQLite store */
export function held(database: string): Held {
  const { heapUsed, rss } = Deno.memoryUsage();
  const db = new DatabaseSync(database, { readOnly: true });
  const count = (table: string) => Number(db.prepare(`SELECT count(*) AS n FROM fedkim_${table}`).get()!.n);
  const rows = TABLES.reduce((sum, table) => sum + count(table), 0);
  const nonces = count("once");
  db.close();
  const handles = [...Deno.readDirSync("/proc/self/fd")].length;
  return { heapBytes: heapUsed, residentBytes: rss, handles, rows, nonces };
}
