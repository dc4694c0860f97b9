/**
 * Where an aggregator keeps what must survive it: one narrow {@link Store} with two real databases behind it.
 *
 * - {@link openStore} opens it from one line of configuration: a SQLite file (one process, the default) or a
 *   PostgreSQL address (several replicas).
 * - Documents are single values, logs are ordered and never reuse a number, leases give fencing tokens, once-only keys
 *   refuse replays on every replica, jobs are taken by one replica at a time.
 * - Every method is one durable transaction; nothing here knows what the bytes mean.
 *
 * @module
 */
export { openStore } from "./open_store.ts";
export type { Body, Bytes, Durability, Fence, Job, LogEntry, Store } from "./store.ts";
