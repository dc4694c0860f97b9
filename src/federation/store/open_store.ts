import { PostgresDatabase } from "./postgres_database.ts";
import { SqliteDatabase } from "./sqlite_database.ts";
import { Spool } from "./spool.ts";
import { SqlStore } from "./sql_store.ts";
import type { Store } from "./store.ts";

/** What the name of the folder beside a SQLite file ends with, see {@link Spool}. */
const SPOOL_SUFFIX = "-spool";

/**
 * Opens a store and brings its schema up to date.
 * @param place `postgres://…` or `postgresql://…` for a server, otherwise the path of a SQLite file
 * @throws FedKimError `StoreError` with reason `unreachable` or `newer_schema`
 */
export async function openStore(place: string): Promise<Store> {
  const shared = /^postgres(ql)?:\/\//.test(place);
  const database = shared ? await PostgresDatabase.open(place) : SqliteDatabase.open(place);
  // What several replicas share lies in the database as a whole, and memory has no files.
  const spool = shared || place === ":memory:" ? undefined : new Spool(`${place}${SPOOL_SUFFIX}`);
  try {
    return await SqlStore.open(database, spool);
  } catch (error) {
    await database.close();
    throw error;
  }
}
