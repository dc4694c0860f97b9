import assert from "node:assert/strict";
import { type DpEvent, epsilonAt, type LedgerBudget, openLedger, readLedger } from "../../src/dp/mod.ts";
import { BUDGETS, STEP } from "./_ledger_plan.ts";

/** A ledger file, and budgets that differ from the usual one. */
async function withFile(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(`${folder}/ledger.jsonl`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function open(path: string, budget: Partial<LedgerBudget>, more: readonly LedgerBudget[] = []) {
  const budgets = [{ ...BUDGETS[0], ...budget }, ...more];
  return openLedger(path, { site: "midwest", budgets, now: () => new Date(0) });
}

const times = (count: number): DpEvent => ({ type: "self_composed", event: STEP, count });
const plan = (name: string, count: number, delta?: number) => ({
  planHash: name.repeat(64),
  schedules: [{ population: "icu", schedule: times(count) }],
  ...(delta === undefined ? {} : { delta }),
});
const step = (name: string, round: number) => ({
  planHash: name.repeat(64),
  round,
  charges: [{ population: "icu", event: STEP }],
});
const ADD = { neighboring: "add_or_remove_one" } as const;

Deno.test("of two commitments of one plan, none is reserved where the second is not affordable", () =>
  withFile(async (path) => {
    using ledger = await open(path, { epsilon: 3 }, [{
      ...BUDGETS[0],
      population: "held_out",
      epsilon: 0.001,
    }]);
    const heldOut = (name: string, count: number) => ({
      planHash: name.repeat(64),
      schedules: [{ population: "held_out", schedule: times(count) }],
    });
    const before = ledger.head();
    await assert.rejects(ledger.commit(plan("1", 10), heldOut("2", 1000)), { code: "BudgetExceeded" });
    assert.deepEqual(ledger.head(), before, "nothing is written");
    assert.ok(ledger.status().populations.every(({ committed }) => committed === 0));
    using other = await open(`${path}2`, { epsilon: 3 }, [{ ...BUDGETS[0], population: "held_out" }]);
    const both = [plan("1", 10), heldOut("2", 10)] as const;
    await other.commit(...both);
    const after = other.head();
    assert.deepEqual(await other.commit(...both), after, "once more changes nothing");
    assert.deepEqual(other.status().plans.length, 2);
  }));

Deno.test("budgets change by a record of the same chain; spending carries on and the report lists the change", () =>
  withFile(async (path) => {
    let head;
    {
      using ledger = await open(path, { epsilon: 3 });
      await ledger.commit(plan("1", 1000, 5e-6));
      head = await ledger.charge(step("1", 0));
    }
    {
      using same = await open(path, { epsilon: 3 });
      assert.deepEqual(same.head(), head, "the same budgets write nothing");
    }
    const vqa: LedgerBudget = { ...BUDGETS[0], population: "vqa", unit: "image", epsilon: 2 };
    {
      using ledger = await open(path, { epsilon: 5, delta: 2e-5 }, [vqa]);
      ledger.requireHead(head);
      assert.equal(ledger.head().sequence, head.sequence + 1);
      const [icu, added] = ledger.status().populations;
      assert.deepEqual([icu.budget.epsilon, icu.budget.delta, icu.rounds], [5, 2e-5, 1]);
      assert.equal(icu.spent, epsilonAt(STEP, 5e-6, ADD).epsilon);
      assert.ok(Math.abs(icu.deltaLeft - 1.5e-5) < 1e-18);
      assert.deepEqual([added.budget.population, added.spent, added.deltaLeft], ["vqa", 0, 1e-5]);
      await ledger.charge(step("1", 1));
    }
    {
      // A dataset that is away keeps its budget.
      using ledger = await open(path, { epsilon: 5, delta: 2e-5 });
      assert.equal(ledger.status().populations.length, 2);
    }
    const { budgetChanges, populations } = await readLedger(path);
    assert.equal(populations[0].rounds, 2);
    assert.deepEqual(
      budgetChanges.map(({ population, from, to, at }) => [population, from?.epsilon, to.epsilon, at]),
      [["icu", 3, 5, "1970-01-01T00:00:00.000Z"], ["vqa", undefined, 2, "1970-01-01T00:00:00.000Z"]],
    );
  }));

Deno.test("a budget below what is spent or accepted refuses further plans and every charge beyond it", () =>
  withFile(async (path) => {
    const at = (count: number) => epsilonAt(times(count), 1e-5, ADD).epsilon;
    {
      using ledger = await open(path, {});
      await ledger.commit(plan("1", 2000));
      for (let round = 0; round < 3; round++) await ledger.charge(step("1", round));
    }
    {
      // Room for two more of the accepted rounds, not for all of them.
      using ledger = await open(path, { epsilon: (at(5) + at(6)) / 2 });
      assert.equal(ledger.status().populations[0].roundsLeft, 2);
      assert.equal(ledger.wouldExceed(plan("2", 1)).exceeds, true);
      await ledger.charge(step("1", 3));
      await ledger.charge(step("1", 4));
      await assert.rejects(ledger.charge(step("1", 5)), {
        code: "BudgetExceeded",
        message: /raise the budget/,
      });
    }
    {
      using ledger = await open(path, { epsilon: at(2) });
      const [icu] = ledger.status().populations;
      assert.deepEqual([icu.left, icu.roundsLeft], [0, 0]);
      assert.ok(icu.spent > icu.budget.epsilon, "what is spent is said, also above the budget");
      await assert.rejects(ledger.charge(step("1", 5)), { code: "BudgetExceeded" });
      await assert.rejects(ledger.commit(plan("2", 1)), { code: "BudgetExceeded" });
    }
    {
      using ledger = await open(path, { epsilon: 20, delta: 1e-6 });
      assert.ok(
        ledger.status().populations[0].spent > at(5),
        "a smaller delta makes the same spending dearer",
      );
    }
    using ledger = await open(path, {});
    await ledger.charge(step("1", 5));
    assert.equal((await readLedger(path)).budgetChanges.length, 4);
  }));

Deno.test("unit, relation and filter change while nothing is spent, and never afterwards", () =>
  withFile(async (path) => {
    const promises: Partial<LedgerBudget>[] = [
      { unit: "record" },
      { neighboring: "replace_one" },
      { filter: { type: "renyi", order: 8 } },
      {},
    ];
    for (const promise of promises) {
      using ledger = await open(path, promise);
      assert.deepEqual(ledger.status().populations[0].budget, {
        filter: { type: "signed_schedule" },
        ...BUDGETS[0],
        ...promise,
      });
    }
    {
      using ledger = await open(path, {});
      await ledger.commit(plan("1", 10, 1e-6));
    }
    const before = await Deno.readFile(path);
    for (const promise of promises.slice(0, 3)) {
      await assert.rejects(open(path, promise), { code: "LedgerError", message: /another name/ });
    }
    assert.deepEqual(await Deno.readFile(path), before);
  }));

Deno.test("a Renyi ledger keeps its spending when its budget changes", () =>
  withFile(async (path) => {
    const filter = { type: "renyi", order: 16 } as const;
    let spent;
    {
      using ledger = await open(path, { epsilon: 2, filter });
      await ledger.commit(plan("1", 20));
      for (let round = 0; round < 20; round++) await ledger.charge(step("1", round));
      spent = ledger.status().populations[0].spent;
      assert.equal(ledger.status().populations[0].deltaLeft, 1e-5, "a filter needs no shares of delta");
    }
    {
      using ledger = await open(path, { epsilon: 3, filter });
      const [icu] = ledger.status().populations;
      assert.ok(Math.abs(icu.spent - spent) < 1e-12 * spent);
      const left = icu.roundsLeft!;
      assert.ok(left > 0);
      assert.equal(ledger.wouldExceed(plan("2", left)).exceeds, false);
      assert.equal(ledger.wouldExceed(plan("2", left + 1)).exceeds, true);
    }
    using ledger = await open(path, { epsilon: spent / 2, filter });
    assert.equal(ledger.wouldExceed(plan("2", 1)).exceeds, true);
    assert.equal(ledger.status().populations[0].roundsLeft, 0);
  }));

Deno.test("a second plan without delta left is refused with what is there, what is needed and three remedies", () =>
  withFile(async (path) => {
    using ledger = await open(path, {});
    await ledger.commit(plan("1", 100));
    const [answer] = ledger.wouldExceed(plan("2", 100)).populations;
    assert.deepEqual([answer.exceeds, answer.deltaLeft, answer.share, answer.budgetDelta], [
      true,
      0,
      0,
      1e-5,
    ]);
    await assert.rejects(ledger.commit(plan("2", 100)), (error: Error) => {
      assert.doesNotMatch(error.message, /Infinity/);
      assert.match(error.message, /left 0 of 0.00001.*part of delta.*raise the budget's delta.*Renyi filter/);
      return true;
    });
    await assert.rejects(ledger.commit(plan("2", 100, 1e-6)), { message: /delta 0.000001 asked for icu/ });
  }));

Deno.test("plans at shares of delta run one after the other, and what is spent is the sum of their epsilons", () =>
  withFile(async (path) => {
    using ledger = await open(path, { epsilon: 2 });
    const quarter = 2.5e-6;
    let expected = 0;
    for (const name of ["1", "2", "3", "4"]) {
      const [answer] = ledger.wouldExceed(plan(name, 50, quarter)).populations;
      assert.equal(answer.exceeds, false);
      await ledger.commit(plan(name, 50, quarter));
      await ledger.charge(step(name, 0));
      expected += epsilonAt(STEP, quarter, ADD).epsilon;
    }
    const [icu] = ledger.status().populations;
    assert.ok(
      Math.abs(icu.spent - expected) < 1e-9,
      "basic composition, since the plans were chosen along the way",
    );
    assert.ok(icu.spent > epsilonAt(times(4), 1e-5, ADD).epsilon);
    assert.ok(icu.deltaLeft < 1e-18);
    assert.equal(icu.roundsLeft, 4 * 49);
    await assert.rejects(ledger.commit(plan("5", 1, quarter)), { code: "BudgetExceeded" });
  }));

Deno.test("roundsLeft is what can really be charged: one more plan of so many rounds fits, and no more", () =>
  withFile(async (path) => {
    using ledger = await open(path, { epsilon: 1.5 });
    await ledger.commit(plan("1", 30, 2e-6));
    await ledger.charge(step("1", 0));
    const left = ledger.status().populations[0].roundsLeft!;
    const more = left - 29;
    assert.ok(more > 10);
    assert.equal(ledger.wouldExceed(plan("2", more, 8e-6)).exceeds, false);
    assert.equal(ledger.wouldExceed(plan("2", Math.ceil(more * 1.02) + 1, 8e-6)).exceeds, true);
  }));
