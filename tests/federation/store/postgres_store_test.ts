import assert from "node:assert/strict";
import { openStore } from "../../../src/federation/store/mod.ts";
import { postgresTest } from "../../_postgres.ts";
import { storeContract } from "./_contract.ts";

postgresTest(
  "the PostgreSQL store keeps the contract between two replicas, and through a crash",
  async (cluster, t) => {
    await storeContract(t, () => openStore(cluster.url));

    await t.step("what was acknowledged is there after kill -9 of the server, and stores go on", async () => {
      const store = await openStore(cluster.url);
      const waiting = store.wait("later", 0, 30_000);
      let acknowledged = 0;
      const writing = (async () => {
        for (let i = 1; i <= 10_000; i++) {
          await store.append("crash", [new Uint8Array([i & 255])]);
          acknowledged = i;
        }
      })().then(() => undefined, (error) => error);
      while (acknowledged < 20) await new Promise((resolve) => setTimeout(resolve, 5));
      await cluster.crash();
      assert.equal((await writing)?.code, "StoreError");
      await cluster.start();
      const entries = await store.read("crash", 0, 100_000);
      assert.ok(entries.length >= acknowledged && entries.length <= acknowledged + 1);
      await store.append("later", [new Uint8Array([1])]);
      assert.equal(await waiting, true, "a wait from before the crash still hears");
      await store.close();
    });

    await t.step("openStore() says so where nobody answers", async () => {
      await assert.rejects(openStore("postgres://x:y@127.0.0.1:9/none"), { code: "StoreError" });
    });
  },
);
