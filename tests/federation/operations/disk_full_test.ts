import assert from "node:assert/strict";
import { openLedger } from "../../../src/dp/mod.ts";
import { openStore } from "../../../src/federation/store/mod.ts";
import { RoundLog } from "../../../src/federation/round_log.ts";
import { RunFolder } from "../../../src/federation/run_folder.ts";
import { PatientKey } from "../../../src/federation/patient_key.ts";
import { passes } from "../../../src/federation/passing_trouble.ts";
import { FedKimError } from "../../../src/formats/errors.ts";
import { asDiskFull, writeDurable } from "../../../src/formats/durable_file.ts";
import { BUDGETS, SCHEDULES } from "../../dp/_ledger_plan.ts";
import { fill, fullDiskTest } from "./_full_disk.ts";

/** What a site or an aggregator says of it. */
const DISK_FULL = { code: "StoreError", message: /No space left.*make room/ };

fullDiskTest("on a full disk a durable file keeps its old content and the write fails", async (dir) => {
  await writeDurable(`${dir}/progress.json`, "old");
  fill(dir);
  await assert.rejects(writeDurable(`${dir}/progress.json`, "x".repeat(100_000)), DISK_FULL);
  assert.equal(await Deno.readTextFile(`${dir}/progress.json`), "old");
  const left = [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
  assert.deepEqual(left, ["filler", "progress.json"], "no half-written file stays");
});

fullDiskTest(
  "on a full disk the store refuses, and after room is made nothing is lost",
  async (dir) => {
    const store = await openStore(`${dir}/store.sqlite`);
    const kept = new TextEncoder().encode("kept");
    await store.put("space", "before", kept);
    fill(dir);
    let written = 0;
    await assert.rejects(async () => {
      for (; written < 100; written++) await store.put("space", `n${written}`, new Uint8Array(50_000));
    }, /full/);
    await Deno.remove(`${dir}/filler`);
    await store.close();
    const again = await openStore(`${dir}/store.sqlite`);
    assert.deepEqual(new Uint8Array((await again.get("space", "before"))!), kept);
    await again.put("space", "after", kept);
    assert.deepEqual(new Uint8Array((await again.get("space", "after"))!), kept);
    await again.close();
  },
);

fullDiskTest("a store that fills the disk with its own log empties it, and goes on", async (dir) => {
  const first = await openStore(`${dir}/store.sqlite`);
  for (let i = 0; i < 4; i++) await first.put("space", `room ${i}`, new Uint8Array(50_000));
  for (let i = 0; i < 4; i++) await first.delete("space", `room ${i}`);
  await first.close(); // the file has room for what follows
  const store = await openStore(`${dir}/store.sqlite`);
  let refused = 0;
  // Always the same few kilobytes: only the log grows, to many times the disk.
  for (let i = 0; i < 500; i++) {
    await store.put("space", "same", new Uint8Array(50_000).fill(i)).catch(() => refused++);
  }
  assert.ok(refused < 50, `${refused} of 500 writes were refused`);
  assert.ok(refused > 0, "the disk is smaller than the log");
  await store.put("space", "last", new Uint8Array([1]));
  assert.deepEqual(new Uint8Array((await store.get("space", "last"))!), new Uint8Array([1]));
  await store.close();
});

fullDiskTest(
  "on a full disk checkpoints and metrics of a run fail by name, and the old checkpoint stays",
  async (dir) => {
    const run = await RunFolder.create(`${dir}/run`);
    await run.checkpoint("best", new Uint8Array([1, 2, 3]));
    fill(dir);
    await assert.rejects(run.checkpoint("best", new Uint8Array(100_000)), DISK_FULL);
    await assert.rejects(run.metric({ kind: "step", text: "x".repeat(100_000) }), DISK_FULL);
    assert.deepEqual(await Deno.readFile(run.file("best")), new Uint8Array([1, 2, 3]));
  },
);

fullDiskTest(
  "on a full disk a site makes no key, says why, and has a whole one after room is made",
  async (dir) => {
    fill(dir);
    await assert.rejects(PatientKey.open(dir), DISK_FULL);
    await Deno.remove(`${dir}/filler`);
    const { id } = await PatientKey.open(dir);
    assert.equal((await PatientKey.open(dir)).id, id);
  },
);

fullDiskTest("a full disk is no refusal of a plan, whatever it kept from being written", async (dir) => {
  using ledger = await openLedger(`${dir}/ledger.jsonl`, { site: "midwest", budgets: BUDGETS });
  fill(dir);
  const said = await Deno.writeTextFile(`${dir}/features`, "x".repeat(100_000)).catch((error) => error);
  const wrapped = new FedKimError("ConfigError", "The features cannot be kept on disk.", { cause: said });
  for (const error of [said, wrapped]) {
    const known = asDiskFull(dir, error);
    assert.ok(known instanceof FedKimError && known.details.reason === "disk_full");
    assert.ok(passes(known));
  }
  const planHash = "1".repeat(64);
  // Larger than what is left of the ledger's last page.
  const nothing = Array.from({ length: 400 }, () => ({ type: "no_op" }) as const);
  const schedules = SCHEDULES.map(({ population, schedule }) => ({
    population,
    schedule: { type: "composed", events: [schedule, ...nothing] } as const,
  }));
  const unwritable = await ledger.commit({ planHash, schedules, delta: 1e-6 }).then(
    () => undefined,
    (error) => error,
  );
  assert.ok(
    unwritable instanceof FedKimError && unwritable.details.reason === "unwritable",
    String(unwritable),
  );
  assert.ok(passes(unwritable));
  assert.ok(!passes(new FedKimError("ConfigError", "Something else.")));
  assert.ok(!passes(new FedKimError("LedgerError", "Damaged.", { reason: "damaged" })));
});

fullDiskTest(
  "on a full disk a step's log refuses for ever, and what it has acknowledged is there again",
  async (dir) => {
    const store = await openStore(`${dir}/store.sqlite`);
    const log = new RoundLog(store, "round/1", undefined);
    await log.begin({ order: new Uint8Array([7]), sites: ["a"] });
    log.record({ kind: "message", clientId: "a", bytes: new Uint8Array([1]) });
    await log.flush();
    fill(dir);
    log.record({ kind: "message", clientId: "b", bytes: new Uint8Array(4_000_000) });
    await assert.rejects(log.flush(), { code: "StoreError" });
    await Deno.remove(`${dir}/filler`);
    log.record({ kind: "close" });
    await assert.rejects(log.flush(), { code: "StoreError" }, "what follows a lost message is not written");
    await store.close();
    const again = await openStore(`${dir}/store.sqlite`);
    const found = new RoundLog(again, "round/1", undefined);
    assert.deepEqual((await found.order())!.sites, ["a"]);
    const events = await Array.fromAsync(found.events());
    assert.deepEqual(events.map((event) => event.kind === "message" ? event.clientId : event.kind), ["a"]);
    await again.close();
  },
);

fullDiskTest(
  "on a full disk the ledger refuses to charge, and what it may have written counts as spent",
  async (dir) => {
    const budget = { population: "icu", unit: "patient", neighboring: "add_or_remove_one" } as const;
    const options = { site: "a", budgets: [{ ...budget, epsilon: 8, delta: 1e-5 }] };
    const step = { type: "gaussian", sigma: 20 } as const;
    const schedule = { type: "self_composed", event: step, count: 200 } as const;
    const charge = (round: number) => ({
      planHash: "p",
      round,
      charges: [{ population: "icu", event: step }],
    });
    const ledger = await openLedger(`${dir}/ledger.jsonl`, options);
    await ledger.commit({ planHash: "p", schedules: [{ population: "icu", schedule }] });
    await ledger.charge(charge(0));
    fill(dir);
    let acknowledged = 1;
    await assert.rejects(async () => {
      for (; acknowledged < 200; acknowledged++) await ledger.charge(charge(acknowledged));
    }, { code: "LedgerError", message: /free disk space/ });
    await assert.rejects(ledger.charge(charge(acknowledged + 1)), { code: "LedgerError" });
    ledger.close();
    await Deno.remove(`${dir}/filler`);
    const again = await openLedger(`${dir}/ledger.jsonl`, options);
    const [{ rounds }] = again.status().populations;
    assert.ok(rounds >= acknowledged, `${rounds} rounds for ${acknowledged} acknowledged charges`);
    await again.charge(charge(acknowledged + 2));
    again.close();
  },
);
