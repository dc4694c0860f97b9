import { PostgresDatabase } from "./postgres_database.ts";
import { SqliteDatabase } from "./sqlite_database.ts";
import { SqlStore } from "./sql_store.ts";
import type { Store } from "./store.ts";

/**
 * Opens a store and brings its schema up to date.
 * @param place `postgres://…` or `postgresql://…` for a server, otherwise the path of a SQLite file
 * @throws FedKimError `StoreError` with reason `unreachable` or `newer_schema`
 */
export async function openStore(place: string): Promise<Store> {
  const database = /^postgres(ql)?:\/\//.test(place)
    ? await PostgresDatabase.open(place)
    : SqliteDatabase.open(place);
  try {
    return await SqlStore.open(database);
  } catch (error) {
    await database.close();
    throw error;
  }
}
