import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { AuditLog } from "../../src/federation/audit_log.ts";
import { openStore } from "../../src/federation/store/mod.ts";

Deno.test("the audit log chains entries of several writers and shows any change of an old one", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/store.sqlite`;
  const store = await openStore(path);
  const [one, two] = [new AuditLog(store), new AuditLog(store)];
  assert.equal(await one.verify(), undefined);
  await Promise.all(
    Array.from({ length: 30 }, (_, i) => (i % 2 ? one : two).record(`site-${i}`, "joined", { step: i })),
  );
  const last = await two.verify();
  assert.equal(last?.sequence, 30);
  const entries = await one.read(10, 5);
  assert.deepEqual(entries.map(({ sequence }) => sequence), [11, 12, 13, 14, 15]);
  assert.equal(new Set((await one.read()).map(({ actor }) => actor)).size, 30);
  await store.close();

  const damagedBy = async (change: string) => {
    const copy = `${dir}/${crypto.randomUUID()}.sqlite`;
    await Deno.copyFile(path, copy);
    const db = new DatabaseSync(copy);
    db.exec(change);
    db.close();
    const opened = await openStore(copy);
    const verdict = await new AuditLog(opened).verify().then(() => "sound", (error) => error.details.reason);
    await opened.close();
    return verdict;
  };
  const changed = "REPLACE(CAST(body AS TEXT), 'site-', 'sita-')";
  assert.equal(await damagedBy("SELECT 1"), "sound");
  assert.equal(
    await damagedBy(`UPDATE fedkim_entries SET body = CAST(${changed} AS BLOB) WHERE sequence = 7`),
    "damaged",
  );
  assert.equal(await damagedBy("DELETE FROM fedkim_entries WHERE sequence = 7"), "damaged");
  assert.equal(await damagedBy("DELETE FROM fedkim_entries WHERE sequence > 20"), "damaged");
  assert.equal(await damagedBy("DELETE FROM fedkim_entries"), "damaged");
  assert.equal(
    await damagedBy(
      "UPDATE fedkim_entries SET body = (SELECT body FROM fedkim_entries WHERE sequence = 8) WHERE sequence = 7",
    ),
    "damaged",
  );
  await Deno.remove(dir, { recursive: true });
});

Deno.test("an entry that comes while the chain is recomputed is no sign of a change", async () => {
  const store = await openStore(":memory:");
  const audit = new AuditLog(store);
  await audit.record("a", "joined");
  // Right after the reader has come to the end, somebody writes.
  let writing = 1;
  const busy = new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return async (...args: unknown[]) => {
        const answer = await Reflect.apply(value, target, args);
        if (name === "read" && (answer as unknown[]).length === 0 && writing-- > 0) {
          await audit.record("b", "joined");
        }
        return answer;
      };
    },
  });
  assert.equal((await new AuditLog(busy).verify())?.sequence, 1);
  assert.equal((await audit.verify())?.sequence, 2);
  await store.close();
});
