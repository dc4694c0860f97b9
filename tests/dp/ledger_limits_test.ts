import assert from "node:assert/strict";
import { type DpEvent, type LedgerBudget, openLedger, PopulationBalance } from "../../src/dp/mod.ts";
import { timesLeft } from "../../src/dp/ledger/_counts.ts";
import { nextDouble } from "./_limits.ts";
import { BUDGETS, STEP } from "./_ledger_plan.ts";

async function opens(change: Partial<LedgerBudget> | Partial<LedgerBudget>[]): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const budgets = [change].flat().map((one) => ({ ...BUDGETS[0], ...one }));
    (await openLedger(`${folder}/ledger.jsonl`, { site: "midwest", budgets })).close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a budget is read up to its bounds and no further", async () => {
  const good: Partial<LedgerBudget>[] = [
    { epsilon: 1e4 },
    { epsilon: Number.MIN_VALUE },
    { delta: 1e-13 },
    { delta: nextDouble(1, -1) },
    ...["patient", "record", "image", "site"].map((unit) => ({ unit: unit as "site" })),
    ...["add_or_remove_one", "replace_one", "replace_special"].map((n) => ({
      neighboring: n as "replace_one",
    })),
    { filter: { type: "signed_schedule" } },
    { filter: { type: "renyi", order: 2 } },
  ];
  for (const budget of good) await opens(budget);
  const bad: Partial<LedgerBudget>[] = [
    { epsilon: nextDouble(1e4) },
    { epsilon: 0 },
    { epsilon: -1 },
    { delta: nextDouble(1e-13, -1) },
    { delta: 1 },
    { population: "" },
    { population: 7 as unknown as string },
    { filter: { type: "renyi", order: 1 } },
    { filter: { type: "renyi", order: 2.5 } },
    { filter: { type: "renyi", order: 2 ** 53 } },
    { filter: { type: "renyi", order: "8" } as unknown as { type: "renyi"; order: 2 } },
    { filter: { type: "zcdp", order: 8 } as unknown as { type: "renyi"; order: 2 } },
    { unit: "person" as "patient" },
    { neighboring: "both" as "replace_one" },
    { filter: { type: "renyi" } as unknown as { type: "renyi"; order: 2 } },
  ];
  for (const budget of bad) {
    await assert.rejects(opens(budget), { code: "ConfigError" }, JSON.stringify(budget));
  }
  await opens([{}, { population: "ecg" }]);
  await assert.rejects(opens([{}, {}]), { code: "ConfigError" });
  await assert.rejects(opens([{}, { population: "ecg", epsilon: 0 }]), { code: "ConfigError" });
});

const times = (event: DpEvent, count: number): DpEvent => ({ type: "self_composed", event, count });
const LOUD: DpEvent = { type: "gaussian", sigma: 1 };
const balance = (change: Partial<LedgerBudget> = {}) =>
  new PopulationBalance({ ...BUDGETS[0], filter: { type: "signed_schedule" }, ...change });

Deno.test("timesLeft() is how often all parts of a step still fit", () => {
  const counts = (...list: [DpEvent, number][]) =>
    new Map(list.map(([event, count]) => [JSON.stringify(event), { event, count }]));
  const key = (event: DpEvent) => JSON.stringify(event);
  assert.equal(key(LOUD), '{"sigma":1,"type":"gaussian"}'.length > 0 ? key(LOUD) : "");
  const plan = balance({ epsilon: 1e4 });
  plan.commit("a", { type: "composed", events: [times(LOUD, 10), times(STEP, 7)] }, 1e-5);
  const both = (loud: number, step: number): DpEvent => ({
    type: "composed",
    events: [times(LOUD, loud), times(STEP, step)],
  });
  assert.equal(plan.roundsLeft(both(1, 1)), 7);
  assert.equal(plan.roundsLeft(both(2, 1)), 5);
  assert.equal(plan.roundsLeft(both(3, 2)), 3);
  assert.equal(plan.roundsLeft(both(11, 1)), 0);
  plan.charge("a", both(2, 2));
  assert.equal(plan.roundsLeft(both(3, 2)), 2);
  assert.equal(plan.roundsLeft({ type: "laplace", b: 2 }), 0);
  assert.equal(timesLeft(counts(), counts(), { type: "no_op" }), 0);
  assert.throws(() => plan.check("b", LOUD), { code: "LedgerError" });
  assert.throws(() => plan.check("a", both(9, 1)), { code: "BudgetExceeded" });
  plan.check("a", both(8, 5));
});

Deno.test("the shares of delta add up to the budget's, and not to more than rounding", () => {
  const plan = balance({ epsilon: 1e4, delta: 3e-6 });
  for (const name of ["a", "b"]) {
    assert.equal(plan.afford(LOUD, 1e-6).exceeds, false);
    plan.commit(name, LOUD, 1e-6);
  }
  assert.ok(Math.abs(plan.deltaLeft() - 1e-6) < 1e-20);
  const answer = plan.afford(LOUD, 1e-6);
  assert.deepEqual([answer.exceeds, answer.share, answer.budgetDelta], [false, 1e-6, 3e-6]);
  assert.ok(Math.abs(answer.delta - 3e-6) < 1e-18);
  assert.equal(plan.afford(LOUD, 1.00001e-6).exceeds, true);
  assert.equal(plan.afford(LOUD, 1.00001e-6).epsilon, Infinity);
  assert.equal(plan.afford(LOUD, 9e-14).exceeds, true);
  assert.equal(plan.afford(LOUD, 1e-13).epsilon < Infinity, true);
  // An epsilon that equals the budget is within it.
  const { epsilon } = balance({ epsilon: 1e4 }).afford(LOUD);
  assert.equal(balance({ epsilon }).afford(LOUD).exceeds, false);
  assert.equal(balance({ epsilon: epsilon * (1 - 1e-12) }).afford(LOUD).exceeds, true);
  const filter = { type: "renyi", order: 8 } as const;
  const dear = balance({ epsilon: 1e4, filter }).afford(LOUD);
  assert.deepEqual([dear.share, dear.delta], [1e-5, 1e-5]);
  assert.equal(balance({ epsilon: dear.epsilon, filter }).afford(LOUD).exceeds, false);
  assert.equal(balance({ epsilon: dear.epsilon * (1 - 1e-12), filter }).afford(LOUD).exceeds, true);
});

Deno.test("a torn line may have been any step that was still open, and each torn line another one", () => {
  const plan = balance({ epsilon: 1e4 });
  assert.deepEqual(plan.possibleTornCharge(3), { type: "no_op" });
  plan.commit("a", { type: "composed", events: [times(LOUD, 2), STEP] }, 4e-6);
  plan.charge("a", STEP);
  assert.deepEqual(plan.possibleTornCharge(1), LOUD);
  assert.deepEqual(plan.possibleTornCharge(3), times(LOUD, 3));
  plan.charge("a", LOUD);
  assert.deepEqual(plan.possibleTornCharge(1), LOUD);
  plan.charge("a", LOUD);
  assert.deepEqual(plan.possibleTornCharge(1), { type: "no_op" });
  plan.chargeTorn(LOUD);
  assert.deepEqual(plan.tornEvent(), LOUD);
  assert.deepEqual(plan.spentEvent(), { type: "composed", events: [STEP, times(LOUD, 3)] });
  assert.deepEqual(plan.committedEvent(), { type: "composed", events: [times(LOUD, 3), STEP] });
});

Deno.test("the rounds that a Renyi filter leaves are the last that fit, up to a million", () => {
  const filter = { type: "renyi", order: 8 } as const;
  for (const epsilon of [1.8, 3, 6, 30]) {
    const left = balance({ epsilon, filter });
    const rounds = left.roundsLeft(STEP);
    assert.equal(left.afford(times(STEP, rounds)).exceeds, false);
    assert.equal(left.afford(times(STEP, rounds + 1)).exceeds, true);
  }
  assert.equal(balance({ epsilon: 1e4, filter }).roundsLeft({ type: "gaussian", sigma: 1e6 }), 1_000_000);
  assert.equal(balance({ epsilon: 0.01, filter }).roundsLeft(LOUD), 0);
});

Deno.test("what a filter has open is what its plans have not charged yet", () => {
  const filter = { type: "renyi", order: 8 } as const;
  const plan = balance({ epsilon: 1e4, filter });
  plan.commit("a", times(LOUD, 5), 1e-5);
  const all = plan.committedEpsilon();
  assert.ok(all > 0);
  plan.charge("a", times(LOUD, 2));
  assert.ok(Math.abs(plan.committedEpsilon() - all) < 1e-12 * all, "charging moves from open to spent");
  assert.ok(plan.spentEpsilon() < all);
  plan.charge("a", times(LOUD, 3));
  assert.ok(Math.abs(plan.spentEpsilon() - all) < 1e-12 * all);
  assert.equal(plan.untouched, false);
  assert.equal(balance().untouched, true);
  const committed = balance();
  committed.commit("a", LOUD, 1e-6);
  assert.equal(committed.untouched, false);
  const torn = balance();
  torn.chargeTorn(LOUD);
  assert.equal(torn.untouched, false);
});

Deno.test("a plan that has charged nothing has spent nothing, and the status lists the plans in their order", async () => {
  const plan = balance({ epsilon: 1e4 });
  plan.commit("a", LOUD, 4e-6);
  assert.deepEqual([plan.spentEpsilon(), plan.spentEpsilon("rdp")], [0, 0]);
  // A share of delta that a smaller budget leaves too small for doubles has no bound.
  plan.commit("b", LOUD, 1e-7);
  plan.charge("b", LOUD);
  assert.ok(plan.spentEpsilon() < Infinity);
  plan.changeBudget({ ...BUDGETS[0], epsilon: 1e4, delta: 2e-13, filter: { type: "signed_schedule" } });
  assert.equal(plan.spentEpsilon(), Infinity);
  const folder = await Deno.makeTempDir();
  try {
    using ledger = await openLedger(`${folder}/ledger.jsonl`, { site: "midwest", budgets: BUDGETS });
    const hashes = ["b", "a", "c"].map((letter) => letter.repeat(64));
    for (const planHash of hashes) {
      await ledger.commit({ planHash, schedules: [{ population: "icu", schedule: STEP }], delta: 1e-6 });
    }
    await ledger.charge({ planHash: hashes[1], round: 0, charges: [{ population: "icu", event: STEP }] });
    const { plans, populations: [icu], tornLines, budgetChanges } = ledger.status();
    assert.deepEqual(plans, hashes);
    assert.deepEqual([icu.rounds, icu.lastEvent, tornLines, budgetChanges], [1, STEP, 0, []]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("roundsLeft() counts the rounds of less than epsilon 1, and the last one that a strict plan has", () => {
  assert.ok(balance({ epsilon: 0.9 }).roundsLeft(STEP) > 0, "an epsilon below 1 is something that is left");
  const strict = balance({ epsilon: 1e4 });
  strict.commit("a", times(LOUD, 2), 1e-5);
  strict.charge("a", LOUD);
  strict.chargeTorn(STEP);
  assert.equal(strict.roundsLeft(LOUD), 1);
});
