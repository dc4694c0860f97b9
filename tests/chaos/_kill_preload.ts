// Preloaded into a process of the product (`deno run --preload`): ends it by SIGKILL at one durable write or request.
// FEDKIM_CHAOS says where: `store:before:17` is the 17th write to the aggregator's store, before its transaction;
// `file` counts fsyncs, `torn` leaves half of a file's bytes on the disk, `request` counts outgoing requests.
import { SqlStore } from "../../src/federation/store/sql_store.ts";

const [what, when, count] = (Deno.env.get("FEDKIM_CHAOS") ?? "").split(":");
let left = Number(count);

function die(): never {
  Deno.kill(Deno.pid, "SIGKILL");
  for (;;); // the signal is on its way
}

/** Runs an operation, or ends the process before or after it when its turn has come. */
async function counted<T>(operation: () => Promise<T>): Promise<T> {
  const last = --left === 0;
  if (last && when === "before") die();
  const result = await operation();
  if (last) die();
  return result;
}

if (what === "store") {
  for (const name of ["put", "update", "append", "appendAfter", "delete", "trim"] as const) {
    const original = SqlStore.prototype[name] as (...args: unknown[]) => Promise<unknown>;
    const replaced = function (this: SqlStore, ...args: unknown[]) {
      return counted(() => original.apply(this, args));
    };
    Object.defineProperty(SqlStore.prototype, name, { value: replaced });
  }
}

if (what === "file") {
  const { sync } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.sync = function () {
    return counted(() => sync.call(this));
  };
}

if (what === "torn") {
  const { write } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.write = async function (bytes) {
    if (--left > 0) return await write.call(this, bytes);
    await write.call(this, bytes.subarray(0, bytes.length >> 1));
    return die();
  };
}

if (what === "request") {
  const { fetch } = globalThis;
  globalThis.fetch = (...args: Parameters<typeof fetch>) => counted(() => fetch(...args));
}
