import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { canonicalJson, type DpEvent, type LedgerBudget, openLedger, readLedger } from "../../src/dp/mod.ts";
import { BUDGETS, charges, PLAN_HASH, SCHEDULES, STEP, STEPS, stepsOf } from "./_ledger_plan.ts";

const OPTIONS = { site: "midwest", budgets: BUDGETS, now: () => new Date(0) };
const COMMIT = { planHash: PLAN_HASH, schedules: SCHEDULES };

async function withFile(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(`${folder}/ledger.jsonl`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A ledger with some rounds charged; its bytes. */
async function charged(path: string, rounds: number): Promise<Uint8Array> {
  using ledger = await openLedger(path, OPTIONS);
  await ledger.commit(COMMIT);
  for (let round = 0; round < rounds; round++) await ledger.charge({ planHash: PLAN_HASH, round, charges });
  return await Deno.readFile(path);
}

function small(budget: Partial<LedgerBudget>) {
  return { ...OPTIONS, budgets: [{ ...BUDGETS[0], ...budget }] };
}

Deno.test("a ledger is replayed: what was charged before is charged afterwards", () =>
  withFile(async (path) => {
    await charged(path, 5);
    using ledger = await openLedger(path, OPTIONS);
    assert.equal(stepsOf(ledger.spentEvent("icu")), 5);
    const status = ledger.status();
    const [icu] = status.populations;
    assert.equal(icu.rounds, 5);
    assert.equal(status.tornLines, 0);
    assert.ok(icu.spent > 0 && icu.spent < icu.committed && icu.committed <= 20);
    assert.ok(Math.abs(icu.left + icu.spent - 20) < 1e-12);
    // The plan claims all of delta: nothing but its own rounds is left.
    assert.equal(icu.roundsLeft, STEPS - 5);
    assert.equal(icu.deltaLeft, 0);
    assert.ok(icu.spentRdp! >= icu.spent);
  }));

Deno.test("a ledger refuses a plan that exceeds the budget, beforehand, and writes nothing", () =>
  withFile(async (path) => {
    using ledger = await openLedger(path, small({ epsilon: 1 }));
    const before = ledger.head();
    const answer = ledger.wouldExceed(COMMIT);
    assert.equal(answer.exceeds, true);
    assert.ok(answer.populations[0].epsilon > 1);
    await assert.rejects(ledger.commit(COMMIT), { code: "BudgetExceeded" });
    assert.deepEqual(ledger.head(), before);
  }));

Deno.test("a charge needs a committed schedule that holds it, and each round is charged once", () =>
  withFile(async (path) => {
    using ledger = await openLedger(path, OPTIONS);
    const step = { planHash: PLAN_HASH, round: 0, charges };
    await assert.rejects(ledger.charge(step), { code: "LedgerError" });
    const two = [{
      population: "icu",
      schedule: { type: "self_composed", event: STEP, count: 2 } as DpEvent,
    }];
    await ledger.commit({ planHash: PLAN_HASH, schedules: two });
    await ledger.charge(step);
    await assert.rejects(ledger.charge(step), { code: "LedgerError", message: /already charged/ });
    const louder: DpEvent = { type: "poisson", q: 0.01, event: { type: "gaussian", sigma: 1 } };
    await assert.rejects(
      ledger.charge({ ...step, round: 1, charges: [{ population: "icu", event: louder }] }),
      { code: "BudgetExceeded" },
    );
    await ledger.charge({ ...step, round: 1 });
    await assert.rejects(ledger.charge({ ...step, round: 2 }), { code: "BudgetExceeded" });
    await assert.rejects(ledger.charge({ ...step, round: -1 }), { code: "LedgerError" });
    await assert.rejects(
      ledger.charge({ ...step, round: 3, charges: [{ population: "unknown", event: STEP }] }),
      { code: "LedgerError" },
    );
    await assert.rejects(ledger.charge({ ...step, round: 3, charges: [] }), { code: "LedgerError" });
  }));

Deno.test("committing the same plan again changes nothing; another schedule under its hash is refused", () =>
  withFile(async (path) => {
    using ledger = await openLedger(path, OPTIONS);
    const head = await ledger.commit(COMMIT);
    assert.deepEqual(await ledger.commit(COMMIT), head);
    const other = [{ population: "icu", schedule: STEP }];
    await assert.rejects(ledger.commit({ planHash: PLAN_HASH, schedules: other }), { code: "LedgerError" });
  }));

Deno.test("a second plan, chosen later, needs its own share of delta and adds its epsilon", () =>
  withFile(async (path) => {
    using ledger = await openLedger(path, small({ epsilon: 3 }));
    const schedule = (count: number): DpEvent => ({ type: "self_composed", event: STEP, count });
    const plan = (name: string, count: number) => ({
      planHash: name.repeat(64),
      schedules: [{ population: "icu", schedule: schedule(count) }],
    });
    await ledger.commit({ ...plan("1", 2000), delta: 5e-6 });
    await assert.rejects(ledger.commit({ ...plan("2", 2000), delta: 6e-6 }), { code: "BudgetExceeded" });
    await ledger.commit({ ...plan("2", 2000), delta: 5e-6 });
    await assert.rejects(ledger.commit(plan("3", 1)), { code: "BudgetExceeded" });
  }));

Deno.test("a Renyi ledger admits plans chosen along the way until its filter is full", () =>
  withFile(async (path) => {
    const options = small({ epsilon: 2, filter: { type: "renyi", order: 16 } });
    let admitted = 0;
    {
      using ledger = await openLedger(path, options);
      for (let i = 0; i < 200; i++) {
        const planHash = i.toString(16).padStart(64, "0");
        const commitment = { planHash, schedules: [{ population: "icu", schedule: STEP }] };
        if (ledger.wouldExceed(commitment).exceeds) break;
        await ledger.commit(commitment);
        await ledger.charge({ planHash, round: 0, charges });
        admitted++;
      }
      assert.ok(admitted > 50);
    }
    using again = await openLedger(path, options);
    assert.equal(stepsOf(again.spentEvent("icu")), admitted);
  }));

Deno.test("two openings of one ledger: the second is refused while the first is open", () =>
  withFile(async (path) => {
    {
      using _first = await openLedger(path, OPTIONS);
      await assert.rejects(openLedger(path, OPTIONS), { code: "LedgerError", message: /Another process/ });
    }
    using _second = await openLedger(path, OPTIONS);
  }));

Deno.test("charges that are not awaited are written one after the other, and one round only once", () =>
  withFile(async (path) => {
    {
      using ledger = await openLedger(path, OPTIONS);
      await ledger.commit(COMMIT);
      const rounds = [0, 1, 1, 2, 2, 2];
      const settled = await Promise.allSettled(
        rounds.map((round) => ledger.charge({ planHash: PLAN_HASH, round, charges })),
      );
      assert.equal(settled.filter((s) => s.status === "fulfilled").length, 3);
    }
    using again = await openLedger(path, OPTIONS);
    assert.equal(stepsOf(again.spentEvent("icu")), 3);
  }));

Deno.test("a ledger belongs to one site, and its budgets must be valid", () =>
  withFile(async (path) => {
    await charged(path, 1);
    await assert.rejects(openLedger(path, { ...OPTIONS, site: "south" }), { code: "LedgerError" });
    const invalid: Partial<LedgerBudget>[] = [
      { delta: 0 },
      { delta: NaN },
      { epsilon: NaN },
      { epsilon: Infinity },
      { unit: "person" as "patient" },
      { neighboring: "none" as "replace_one" },
      { filter: { type: "odometer" } as unknown as { type: "signed_schedule" } },
      { filter: { type: "renyi", order: 1.5 } },
    ];
    for (const budget of invalid) {
      await assert.rejects(openLedger(path, small(budget)), { code: "ConfigError" });
    }
    await assert.rejects(openLedger(path, { ...OPTIONS, budgets: [] }), { code: "ConfigError" });
    await assert.rejects(openLedger(`${path}/nowhere/ledger`, OPTIONS), { code: "LedgerError" });
  }));

Deno.test("a write torn anywhere is detected, reported, kept as evidence and counted as spent", () =>
  withFile(async (path) => {
    const bytes = await charged(path, 3);
    const feeds = [...bytes.keys()].filter((i) => bytes[i] === 10);
    // Everything up to the end of round 1 is acknowledged; the record of round 2 is torn at every byte.
    const start = feeds[feeds.length - 2] + 1;
    for (let cut = start; cut < bytes.length; cut += cut < start + 40 || cut > bytes.length - 40 ? 1 : 7) {
      await Deno.writeFile(path, bytes.subarray(0, cut));
      using ledger = await openLedger(path, OPTIONS);
      const torn = cut > start;
      assert.equal(stepsOf(ledger.spentEvent("icu")), torn ? 3 : 2, `cut at ${cut}`);
      const second = ledger.charge({ planHash: PLAN_HASH, round: 2, charges });
      // Only the line feed is missing: the record is whole, and its round is charged.
      const whole = cut === bytes.length - 1;
      if (whole) await assert.rejects(second, { message: /already charged/ });
      else await second;
      const spent = torn && !whole ? 4 : 3;
      assert.equal(stepsOf(ledger.spentEvent("icu")), spent);
      ledger.close();
      const after = await Deno.readFile(path);
      assert.deepEqual(after.subarray(0, cut), bytes.subarray(0, cut), "the evidence stays");
      using again = await openLedger(path, OPTIONS);
      assert.equal(stepsOf(again.spentEvent("icu")), spent);
    }
  }));

Deno.test("torn lines are counted by reports that do not open the ledger, too", () =>
  withFile(async (path) => {
    const bytes = await charged(path, 3);
    await Deno.writeFile(path, bytes.subarray(0, bytes.length - 9));
    const status = await readLedger(path);
    assert.equal(status.tornLines, 1);
    assert.equal(stepsOf(status.populations[0].spentEvent), 3);
    {
      using _ledger = await openLedger(path, OPTIONS);
    }
    assert.equal((await readLedger(path)).tornLines, 1);
    await assert.rejects(readLedger(`${path}.none`), { code: "ConfigError" });
  }));

Deno.test("a file of zeros after a power cut counts as a torn line", () =>
  withFile(async (path) => {
    const bytes = await charged(path, 2);
    await Deno.writeFile(path, new Uint8Array([...bytes, ...new Uint8Array(512)]));
    using ledger = await openLedger(path, OPTIONS);
    assert.equal(ledger.status().tornLines, 1);
    assert.equal(stepsOf(ledger.spentEvent("icu")), 3);
  }));

Deno.test("an edited last line is damage too: power cuts shorten lines, they do not rewrite them", () =>
  withFile(async (path) => {
    const bytes = await charged(path, 3);
    const text = new TextDecoder().decode(bytes);
    const last = text.lastIndexOf("\n", text.length - 2) + 1;
    for (const [from, to] of [['"round":2', '"round":9'], ['"sigma":2', '"sigma":8'], ["charge", "refund"]]) {
      await Deno.writeTextFile(path, text.slice(0, last) + text.slice(last).replace(from, to));
      await assert.rejects(openLedger(path, OPTIONS), { code: "LedgerError" }, `${from} to ${to}`);
      await assert.rejects(readLedger(path), { code: "LedgerError" });
    }
  }));

Deno.test("a file that is no ledger is never overwritten; the torn beginning of one is begun anew", () =>
  withFile(async (path) => {
    const first = (await charged(path, 1)).subarray(0);
    const whole = new TextDecoder().decode(first);
    const joined = whole.replaceAll("\n", " ");
    for (const text of ['{"privateKey":"00"}', "notes", joined, "a\nb\n", `${whole.slice(0, 60)}\n`]) {
      await Deno.writeTextFile(path, text);
      await assert.rejects(openLedger(path, OPTIONS), { code: "LedgerError" });
      assert.equal(await Deno.readTextFile(path), text);
    }
    for (
      const text of ["", "{", whole.slice(0, 60), whole.slice(0, whole.indexOf("\n") - 5), "\0".repeat(99)]
    ) {
      await Deno.writeTextFile(path, text);
      using ledger = await openLedger(path, OPTIONS);
      assert.equal(ledger.head().sequence, 0);
    }
  }));

Deno.test("a record that this version does not know is refused, not skipped", () =>
  withFile(async (path) => {
    await charged(path, 1);
    const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
    const { sequence, hash } = JSON.parse(lines[lines.length - 1]);
    const body = { type: "surcharge", at: "2026", sequence: sequence + 1, previous: hash };
    const sealed = { ...body, hash: createHash("sha256").update(canonicalJson(body)).digest("hex") };
    await Deno.writeTextFile(path, [...lines, JSON.stringify(sealed), ""].join("\n"));
    await assert.rejects(openLedger(path, OPTIONS), { code: "LedgerError", message: /does not know/ });
    await assert.rejects(readLedger(path), { code: "LedgerError" });
  }));

Deno.test("a ledger that was moved away or replaced while open refuses to spend", () =>
  withFile(async (path) => {
    using ledger = await openLedger(path, OPTIONS);
    await ledger.commit(COMMIT);
    await Deno.rename(path, `${path}.old`);
    await assert.rejects(ledger.charge({ planHash: PLAN_HASH, round: 0, charges }), { message: /moved/ });
    await Deno.copyFile(`${path}.old`, path);
    await assert.rejects(ledger.charge({ planHash: PLAN_HASH, round: 0, charges }), { message: /moved/ });
    await Deno.rename(`${path}.old`, path);
    await ledger.charge({ planHash: PLAN_HASH, round: 0, charges });
  }));

Deno.test("a commitment names each population once, and a charge all of its plan's, with a mechanism each", () =>
  withFile(async (path) => {
    const two = [...BUDGETS, { ...BUDGETS[0], population: "ecg" }];
    using ledger = await openLedger(path, { ...OPTIONS, budgets: two });
    const twice = { planHash: PLAN_HASH, schedules: [...SCHEDULES, ...SCHEDULES] };
    await assert.rejects(ledger.commit(twice), { code: "LedgerError" });
    await assert.rejects(ledger.commit({ planHash: PLAN_HASH, schedules: [] }), { code: "LedgerError" });
    const both = [...SCHEDULES, { ...SCHEDULES[0], population: "ecg" }];
    await ledger.commit({ planHash: PLAN_HASH, schedules: both });
    const step = { planHash: PLAN_HASH, round: 0 };
    const [icu, ecg] = [charges[0], { ...charges[0], population: "ecg" }];
    await assert.rejects(ledger.charge({ ...step, charges: [icu] }), { message: /ecg/ });
    await assert.rejects(ledger.charge({ ...step, charges: [icu, icu] }), { code: "LedgerError" });
    const nothing: DpEvent = { type: "no_op" };
    await assert.rejects(ledger.charge({ ...step, charges: [icu, { ...ecg, event: nothing }] }), {
      code: "BudgetExceeded",
    });
    await ledger.charge({ ...step, charges: [ecg, icu] });
  }));

Deno.test("one changed byte anywhere but in the last line is damage, and the ledger refuses to open", () =>
  withFile(async (path) => {
    const bytes = await charged(path, 3);
    const last = bytes.lastIndexOf(10, bytes.length - 2) + 1;
    for (let i = 0; i < last; i += 7) {
      if (bytes[i] === 10) continue;
      const changed = bytes.slice();
      changed[i] ^= 1;
      if (changed[i] === 10) continue;
      await Deno.writeFile(path, changed);
      await assert.rejects(openLedger(path, OPTIONS), { code: "LedgerError" }, `byte ${i}`);
    }
    const lines = new TextDecoder().decode(bytes).split("\n");
    for (const kept of [[0, 1, 3, 4], [0, 2, 1, 3, 4], [1, 2, 3, 4], [0, 1, 2, 2, 3, 4]]) {
      await Deno.writeTextFile(path, `${kept.map((i) => lines[i]).join("\n")}\n`);
      await assert.rejects(openLedger(path, OPTIONS), { code: "LedgerError" }, `lines ${kept}`);
    }
  }));

Deno.test("requireHead() notices an older copy of the ledger and a forked one", () =>
  withFile(async (path) => {
    const old = await charged(path, 2);
    let head;
    {
      using ledger = await openLedger(path, OPTIONS);
      head = await ledger.charge({ planHash: PLAN_HASH, round: 2, charges });
      ledger.requireHead(head);
    }
    await Deno.writeFile(path, old);
    using ledger = await openLedger(path, OPTIONS);
    assert.throws(() => ledger.requireHead(head), { code: "LedgerError" });
    await ledger.charge({ planHash: PLAN_HASH, round: 7, charges });
    assert.throws(() => ledger.requireHead(head), { code: "LedgerError" });
    ledger.requireHead(ledger.head());
  }));

Deno.test("when a torn line has used the spare budget, the last round is refused", () =>
  withFile(async (path) => {
    const schedules = [{
      population: "icu",
      schedule: { type: "self_composed", event: STEP, count: 3 } as DpEvent,
    }];
    const probe = await openLedger(path, OPTIONS);
    const [{ epsilon }] = probe.wouldExceed({ planHash: PLAN_HASH, schedules }).populations;
    probe.close();
    await Deno.remove(path);
    const options = small({ epsilon: epsilon * 1.0001 });
    {
      using ledger = await openLedger(path, options);
      await ledger.commit({ planHash: PLAN_HASH, schedules });
      await ledger.charge({ planHash: PLAN_HASH, round: 0, charges });
    }
    const bytes = await Deno.readFile(path);
    await Deno.writeFile(path, bytes.subarray(0, bytes.length - 20));
    using ledger = await openLedger(path, options);
    await ledger.charge({ planHash: PLAN_HASH, round: 0, charges });
    await ledger.charge({ planHash: PLAN_HASH, round: 1, charges });
    await assert.rejects(ledger.charge({ planHash: PLAN_HASH, round: 2, charges }), {
      code: "BudgetExceeded",
    });
  }));

Deno.test("a killed process never leaves less than what it had acknowledged, and its lock is gone", () =>
  withFile(async (path) => {
    let first = 0;
    for (let attempt = 0; attempt < 4; attempt++) {
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", new URL("_ledger_child.ts", import.meta.url).pathname, path, `${first}`],
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
      let text = "";
      const decoder = new TextDecoder();
      // Killed at another moment of the write in each attempt, after some rounds were acknowledged.
      for await (const chunk of child.stdout.pipeThrough(new TransformStream())) {
        text += decoder.decode(chunk);
        if (text.split("\n").length > 4 + 3 * attempt && attempt < 4) {
          try {
            child.kill("SIGKILL");
          } catch {
            break;
          }
        }
      }
      await child.status;
      const acknowledged = text.split("\n").filter((line) => /^\d+$/.test(line)).length;
      assert.ok(acknowledged > 0);
      using ledger = await openLedger(path, OPTIONS);
      const spent = stepsOf(ledger.spentEvent("icu"));
      assert.ok(spent >= first + acknowledged, `${spent} spent, ${first + acknowledged} acknowledged`);
      first = spent;
    }
  }));
