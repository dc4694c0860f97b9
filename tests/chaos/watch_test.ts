import assert from "node:assert/strict";
import { openStore, RUN_FILES, SITE_FILES } from "../../src/federation/mod.ts";
import { openLedger } from "../../src/dp/mod.ts";
import { sha256Hex } from "../../src/formats/canonical_json.ts";
import { encodeMessage, type Message } from "../../src/secure_agg/mod.ts";
import { BUDGETS, STEP } from "../dp/_ledger_plan.ts";
import { SITES } from "./_federation.ts";
import { stormOf } from "./_storm_schedule.ts";
import { Watch, type Watchable } from "./_watch.ts";

const [SITE, OTHER, THIRD] = SITES;
const bytes = (length: number) => new Uint8Array(length);

/** What a site leaves behind that charges step 1, and a sum of three sites. */
async function withWatch(
  body: (watch: Watch, federation: Watchable, charged: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const federation: Watchable = {
    seen: [],
    notebook: `${dir}/notebook`,
    options: { dir, data: "", steps: 2, phaseDeadlineMs: 1, aggregators: [], kills: {} },
    store: () => openStore(":memory:"),
  };
  const watch = new Watch(federation);
  try {
    for (const folder of [`sites/${SITE}`, "run", "notebook"]) {
      await Deno.mkdir(`${dir}/${folder}`, { recursive: true });
    }
    for (const site of [SITE, OTHER, THIRD]) {
      await Deno.writeFile(`${federation.notebook}/${site}-1.u32`, new Uint8Array([1, 0, 0, 0]));
    }
    using ledger = await openLedger(`${dir}/sites/${SITE}/${SITE_FILES.ledger}`, {
      site: SITE,
      budgets: BUDGETS,
    });
    const planHash = "1".repeat(64);
    const population = BUDGETS[0].population;
    await ledger.commit({ planHash, schedules: [{ population, schedule: STEP }] });
    const { sequence, hash } = await ledger.charge({
      planHash,
      round: 1,
      charges: [{ population, event: STEP }],
    });
    await body(watch, federation, `${sequence}.${hash}`);
  } finally {
    await watch.close();
    await Deno.remove(dir, { recursive: true });
  }
}

function send(federation: Watchable, message: Message, round: number, head = ""): void {
  const query = head === "" ? "" : `?head=${head}`;
  const path = `/v1/rounds/${round}/messages`;
  federation.seen.push({ path, query, site: SITE, body: encodeMessage(message) });
}

const advert: Message = {
  type: "advertise_keys",
  configHash: bytes(32),
  clientId: SITE,
  encryptionKey: bytes(32),
  maskKey: bytes(32),
  signature: bytes(64),
};
const line = (round: number, sumHash: string) =>
  `${JSON.stringify({ kind: "step", round, sites: 3, sumHash })}\n`;
const SUM = sha256Hex(new Uint8Array([3, 0, 0, 0]));

Deno.test("the watch finds a step that leaves a site without its charge, also in the middle of the step", async () => {
  await withWatch(async (watch, federation, charged) => {
    send(federation, advert, 1, charged);
    await watch.check();
    assert.equal(watch.watched.messages, 1);
    send(federation, advert, 2, charged);
    await assert.rejects(watch.check(), /opened step 2 without its charge/);
    const shares = (sid: number): Message => ({
      type: "share_keys",
      sid: bytes(32).fill(sid),
      index: 0,
      commitment: bytes(32),
      ciphertexts: [],
      signature: bytes(64),
    });
    send(federation, shares(0), 1);
    await watch.check();
    await watch.planOver(false);
    send(federation, shares(0), 1);
    await watch.check(); // late, of the plan that is over
    send(federation, shares(1), 1);
    await assert.rejects(watch.check(), /sent share_keys of step 1 uncharged/);
    send(federation, shares(2), 2);
    await assert.rejects(watch.check(), /sent share_keys of step 2 uncharged/);
  });
});

Deno.test("the watch finds a ledger that was rolled back", async () => {
  await withWatch(async (watch, { options: { dir } }) => {
    await watch.check();
    const file = `${dir}/sites/${SITE}/${SITE_FILES.ledger}`;
    const lines = (await Deno.readTextFile(file)).trim().split("\n");
    await Deno.writeTextFile(file, lines.slice(0, -1).map((text) => `${text}\n`).join(""));
    await assert.rejects(watch.check(), /ledger shrank/);
  });
});

Deno.test("the watch finds a wrong sum, a step that is there twice, and one that ended in two ways", async () => {
  await withWatch(async (watch, { options: { dir } }) => {
    const file = `${dir}/run/${RUN_FILES.metrics}`;
    await Deno.writeTextFile(file, line(1, "0".repeat(64)));
    await assert.rejects(watch.check(), /sum of step 1 is not that of 3 sites/);
    await Deno.writeTextFile(file, line(1, SUM));
    await watch.check();
    assert.equal(watch.watched.summed, 1);
    await Deno.writeTextFile(file, line(1, SUM) + line(1, SUM));
    await assert.rejects(watch.check(), /step 1 is twice/);
    await Deno.writeTextFile(file, `${JSON.stringify({ kind: "aborted", round: 1 })}\n`);
    await assert.rejects(watch.check(), /step 1 ended twice/);
  });
});

Deno.test("a storm follows from its seed alone, and never ends more troubles than it began", () => {
  const first = (seed: number) => {
    const storm = stormOf(seed, "postgres", 8000);
    return Array.from({ length: 300 }, () => storm.next().value!);
  };
  assert.deepEqual(first(1), first(1));
  assert.notDeepEqual(first(1), first(2));
  let troubles = 0;
  for (const { event: { kind } } of first(3)) {
    troubles += kind === "heal" ? -1 : Number(kind !== "kill");
    assert.ok(troubles >= 0 && troubles <= 2);
  }
});
