import { FedKimError } from "../../formats/errors.ts";
import type { SqlDatabase, SqlDialect } from "./sql_database.ts";

/** Each entry brings the schema one version further; entries are never changed once released, only added. */
const MIGRATIONS: readonly ((dialect: SqlDialect) => readonly string[])[] = [
  ({ bytes, integer }) => [
    `CREATE TABLE fedkim_documents (
      space TEXT NOT NULL, key TEXT NOT NULL, value ${bytes} NOT NULL, PRIMARY KEY (space, key))`,
    `CREATE TABLE fedkim_streams (stream TEXT PRIMARY KEY, sequence ${integer} NOT NULL)`,
    `CREATE TABLE fedkim_entries (
      stream TEXT NOT NULL, sequence ${integer} NOT NULL, body ${bytes} NOT NULL, PRIMARY KEY (stream, sequence))`,
    `CREATE TABLE fedkim_leases (
      name TEXT PRIMARY KEY, owner TEXT NOT NULL, token ${integer} NOT NULL, expires_at ${integer} NOT NULL)`,
    `CREATE TABLE fedkim_once (
      space TEXT NOT NULL, key TEXT NOT NULL, expires_at ${integer} NOT NULL, PRIMARY KEY (space, key))`,
    `CREATE INDEX fedkim_once_expiry ON fedkim_once (expires_at)`,
    `CREATE TABLE fedkim_jobs (
      queue TEXT NOT NULL, key TEXT NOT NULL, payload ${bytes} NOT NULL, result ${bytes},
      claim ${integer} NOT NULL, claimed_until ${integer} NOT NULL, PRIMARY KEY (queue, key))`,
  ],
  ({ integer }) => [
    // Where the body lies outside of the database: the file's name; the body is then a reference into it.
    "ALTER TABLE fedkim_entries ADD COLUMN file TEXT",
    // Up to here nothing of the stream can be lost with the power.
    `ALTER TABLE fedkim_streams ADD COLUMN synced ${integer} NOT NULL DEFAULT 0`,
  ],
];

/**
 * Brings a database to this version's schema; several replicas may do it at once.
 * @throws FedKimError `StoreError`, reason `newer_schema`, where a newer FedKIM has written the database
 */
export async function migrate(database: SqlDatabase): Promise<void> {
  const { dialect } = database;
  await database.transaction(async (query) => {
    if (dialect.lockName !== undefined) await query(dialect.lockName, ["fedkim/migrate"]);
    await query(`CREATE TABLE IF NOT EXISTS fedkim_schema (version ${dialect.integer} NOT NULL)`);
    const [row] = await query("SELECT version FROM fedkim_schema");
    const version = Number(row?.version ?? 0);
    if (version > MIGRATIONS.length) {
      throw new FedKimError("StoreError", "The database was written by a newer version of FedKIM.", {
        reason: "newer_schema",
        found: `schema ${version}`,
        needed: `schema ${MIGRATIONS.length} or older`,
        remedy: "run that version, or a newer one",
      });
    }
    for (const statements of MIGRATIONS.slice(version)) {
      for (const statement of statements(dialect)) await query(statement);
    }
    await query(
      row === undefined
        ? "INSERT INTO fedkim_schema (version) VALUES ($1)"
        : "UPDATE fedkim_schema SET version = $1",
      [MIGRATIONS.length],
    );
  });
}
