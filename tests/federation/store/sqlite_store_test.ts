import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { openStore, type Store } from "../../../src/federation/store/mod.ts";
import { storeContract } from "./_contract.ts";

Deno.test("the SQLite store keeps the contract", async (t) => {
  const folder = await Deno.makeTempDir();
  let store: Promise<Store> | undefined;
  // One process owns the file: both handles of the contract are the same one.
  await storeContract(t, () => store ??= openStore(`${folder}/store.sqlite`));
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the SQLite store finds everything again after it was closed", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/store.sqlite`;
  const first = await openStore(path);
  await first.put("a", "b", new Uint8Array([1, 2, 3]));
  await first.append("s", [new Uint8Array([4])]);
  await first.trim("s", 1);
  await first.close();
  const second = await openStore(path);
  assert.deepEqual(await second.get("a", "b"), new Uint8Array([1, 2, 3]));
  assert.equal(await second.append("s", [new Uint8Array([5])]), 2);
  await second.close();
  assert.equal((await Deno.stat(path)).mode! & 0o077, 0, "only the owner may read it");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("openStore() refuses a file that is no database, and one of a newer version", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/text`, "this is not a database, by far not".repeat(50));
  const reason = (expected: string) => (error: Error & { code?: string; details?: { reason?: string } }) =>
    error.code === "StoreError" && error.details?.reason === expected;
  await assert.rejects(openStore(`${folder}/text`), reason("unreachable"));
  await assert.rejects(openStore(`${folder}/no/such/folder/x`), reason("unreachable"));
  const path = `${folder}/newer.sqlite`;
  await (await openStore(path)).close();
  const db = new DatabaseSync(path);
  db.exec("UPDATE fedkim_schema SET version = 99");
  db.close();
  await assert.rejects(openStore(path), reason("newer_schema"));
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the SQLite store waits for another process's lock without holding up this one", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/store.sqlite`;
  const store = await openStore(path);
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  const writing = store.put("a", "b", new Uint8Array([1]));
  let ticks = 0;
  const timer = setInterval(() => ticks++, 5);
  while (ticks < 20) await new Promise((resolve) => setTimeout(resolve, 5));
  other.exec("COMMIT");
  await writing;
  clearInterval(timer);
  assert.deepEqual(await store.get("a", "b"), new Uint8Array([1]));
  other.close();
  const waiting = store.wait("s", 0, 60_000);
  await store.close();
  assert.equal(await waiting, false, "close() ends waiting");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the SQLite store keeps what it acknowledged for the process alone when the process is killed, in order", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/store.sqlite`;
  const module = new URL("../../../src/federation/store/mod.ts", import.meta.url);
  const killed = `
    const { openStore } = await import(${JSON.stringify(module.href)});
    const store = await openStore(${JSON.stringify(path)});
    await store.append("s", [new Uint8Array([1])]);
    await store.append("s", [new Uint8Array([2])], undefined, "process");
    await store.once("nonce", "n", 60_000);
    await Promise.all([3, 4].map((n) => store.append("s", [new Uint8Array([n])], undefined, "process")));
    Deno.kill(Deno.pid, "SIGKILL");`;
  await Deno.writeTextFile(`${folder}/killed.ts`, killed);
  const { signal } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", new URL("../../../deno.json", import.meta.url).pathname]
      .concat(`${folder}/killed.ts`),
  }).output();
  assert.equal(signal, "SIGKILL");
  const store = await openStore(path);
  assert.deepEqual((await store.read("s", 0, 9)).map(({ body }) => body[0]), [1, 2, 3, 4]);
  assert.equal(await store.once("nonce", "n", 60_000), false, "the key was taken before");
  await store.close();
  await Deno.remove(folder, { recursive: true });
});
