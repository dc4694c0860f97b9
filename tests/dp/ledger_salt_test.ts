import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { canonicalJson, openLedger, readLedger } from "../../src/dp/mod.ts";
import { GENESIS } from "../../src/dp/ledger/chain.ts";
import type { LedgerRecord } from "../../src/dp/ledger/types.ts";
import { BUDGETS, charges, PLAN_HASH, SCHEDULES } from "./_ledger_plan.ts";

const AT = new Date(0);
const OPTIONS = { site: "midwest", budgets: BUDGETS, now: () => AT };
const FILTERED = BUDGETS.map((budget) => ({ ...budget, filter: { type: "signed_schedule" } }));

async function withFile(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(`${folder}/ledger.jsonl`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A record as versions before salts have written it: everybody who knows its content knows its hash. */
function unsalted(body: object, before?: { readonly sequence: number; readonly hash: string }) {
  const placed = { ...body, sequence: (before?.sequence ?? -1) + 1, previous: before?.hash ?? GENESIS };
  return { ...placed, hash: createHash("sha256").update(canonicalJson(placed)).digest("hex") };
}

const OLD_OPENING = { type: "open", format: "fedkim-ledger/1", site: "midwest", budgets: FILTERED };

async function records(path: string): Promise<LedgerRecord[]> {
  return (await Deno.readTextFile(path)).trimEnd().split("\n").map((line) => JSON.parse(line));
}

Deno.test("the head of a ledger is no function of its content: who guesses budgets and time cannot check the guess", () =>
  withFile(async (path) => {
    using ledger = await openLedger(path, OPTIONS);
    assert.notEqual(ledger.head().hash, unsalted({ ...OLD_OPENING, at: AT.toISOString() }).hash);
    const again = `${path}.2`;
    using other = await openLedger(again, OPTIONS);
    assert.notEqual(ledger.head().hash, other.head().hash);
  }));

Deno.test("every record has 32 bytes of its own: nor can who knows one head search for what the next record says", () =>
  withFile(async (path) => {
    let drawn = 0;
    const randomBytes = (length: number) => new Uint8Array(length).fill(++drawn);
    {
      using ledger = await openLedger(path, { ...OPTIONS, randomBytes });
      await ledger.commit({ planHash: PLAN_HASH, schedules: SCHEDULES });
      await ledger.charge({ planHash: PLAN_HASH, round: 0, charges });
    }
    await Deno.writeTextFile(path, '{"type":"cha', { append: true });
    const raised = BUDGETS.map((budget) => ({ ...budget, epsilon: budget.epsilon + 1 }));
    (await openLedger(path, { ...OPTIONS, budgets: raised, randomBytes })).close();
    const lines = (await Deno.readTextFile(path)).trimEnd().split("\n").filter((line) => line.endsWith("}"));
    const all = lines.map((line) => JSON.parse(line) as LedgerRecord);
    assert.deepEqual(all.map(({ type }) => type), ["open", "commit", "charge", "torn", "budget"]);
    assert.deepEqual(all.map(({ salt }) => salt), [1, 2, 3, 4, 5].map((n) => `0${n}`.repeat(32)));
    const { hash, ...rest } = all[4];
    assert.equal(hash, createHash("sha256").update(canonicalJson(rest)).digest("hex"));
  }));

Deno.test("a salt that was edited or taken out is damage", () =>
  withFile(async (path) => {
    (await openLedger(path, OPTIONS)).close();
    const text = await Deno.readTextFile(path);
    const [{ salt }] = await records(path);
    for (const other of [text.replace(salt!, "0".repeat(64)), text.replace(/,"salt":"[0-9a-f]+"/, "")]) {
      assert.notEqual(other, text);
      await Deno.writeTextFile(path, other);
      await assert.rejects(openLedger(path, OPTIONS), { code: "LedgerError" });
    }
  }));

Deno.test("a ledger from before salts opens, keeps its head and its spending, and goes on with one salted record", () =>
  withFile(async (path) => {
    const at = AT.toISOString();
    const open = unsalted({ ...OLD_OPENING, at });
    const schedules = SCHEDULES.map((schedule, i) => ({ ...schedule, delta: BUDGETS[i].delta }));
    const commit = unsalted({ type: "commit", planHash: PLAN_HASH, schedules, at }, open);
    const charge = unsalted({ type: "charge", planHash: PLAN_HASH, round: 0, charges, at }, commit);
    await Deno.writeTextFile(path, [open, commit, charge].map((r) => `${JSON.stringify(r)}\n`).join(""));
    assert.equal((await readLedger(path)).head.hash, charge.hash);
    {
      using ledger = await openLedger(path, OPTIONS);
      ledger.requireHead({ sequence: 2, hash: charge.hash });
      assert.equal(ledger.head().sequence, 3);
      assert.equal(ledger.status().populations[0].rounds, 1);
      await ledger.charge({ planHash: PLAN_HASH, round: 1, charges });
    }
    const [, , , salted] = await records(path);
    assert.deepEqual([salted.type, salted.previous], ["budget", charge.hash]);
    assert.match(salted.salt!, /^[0-9a-f]{64}$/);
    using again = await openLedger(path, OPTIONS);
    assert.equal(again.head().sequence, 4, "salted once");
    assert.deepEqual(again.status().budgetChanges, []);
  }));
