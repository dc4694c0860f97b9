import assert from "node:assert/strict";
import {
  acceptedInterval,
  type AccountingRow,
  accountingRows,
  epsilonAt,
  lowerBounds,
  parsePythonJson,
  verifyAccountingFile,
} from "../../src/dp/mod.ts";
import { answerRow } from "../../src/dp/verify/answer.ts";

const NONE: ReadonlyMap<string, number> = new Map();
const ROW = { id: "a", composition: { type: "gaussian", sigma: 2 }, neighboring: "add_or_remove_one" };
const accepted = (row: object, bounds = NONE) =>
  acceptedInterval({ ...ROW, ...row } as AccountingRow, bounds);
const near = (found: number, expected: number) =>
  assert.ok(
    Math.abs(found - expected) <= 1e-14 * Math.max(1, Math.abs(expected)),
    `${found} is not ${expected}`,
  );

/** The interval is [low, high], but for rounding. */
function isInterval(row: object, low: number, high: number): void {
  const found = accepted(row)!;
  near(found.low, low);
  if (high === Infinity) assert.equal(found.high, Infinity);
  else near(found.high, high);
}

Deno.test("acceptedInterval() is the rule of the golden file for each kind of question", () => {
  const epsilon = { query: "epsilon_at_delta", delta: 1e-5 };
  isInterval({ ...epsilon, epsilon: 4, accountant: { name: "analytic_gaussian" } }, 4 - 4e-9, 4 + 4e-9);
  isInterval({ ...epsilon, epsilon: 0.5, accountant: { name: "analytic_gaussian" } }, 0.5 - 1e-9, 0.5 + 1e-9);
  isInterval({ ...epsilon, accountant: { name: "prv" }, epsilon_lower: 1.5, epsilon_upper: 1.7 }, 1.5, 1.7);
  isInterval({ ...epsilon, epsilon: 4, accountant: { name: "rdp" } }, 0, 4 * (1 + 1e-9));
  isInterval(
    { ...epsilon, epsilon: 4, accountant: { name: "pld" } },
    0.998 * 4 - 0.005,
    4 * (1 + 5e-5) + 1e-6,
  );
  isInterval({ ...epsilon, epsilon: 0.001, accountant: { name: "pld" } }, 0, 0.001 * (1 + 5e-5) + 1e-6);
  isInterval(
    { ...epsilon, epsilon: 4, epsilon_lower: 3.9, accountant: { name: "pld" } },
    3.9,
    4 * (1 + 5e-5) + 1e-6,
  );
  const buckets = { name: "pld", method: "privacy_buckets with ratio" };
  isInterval(
    { ...epsilon, epsilon: 4, accountant: buckets, params: { steps: 100 } },
    4 - 0.01 - 0.005,
    4 * (1 + 5e-5) + 1e-6,
  );
  isInterval({ ...epsilon, epsilon: 4, accountant: buckets }, 4 - 1e-4 - 0.005, 4 * (1 + 5e-5) + 1e-6);
  isInterval({ ...epsilon, epsilon: 0.004, accountant: buckets }, 0, 0.004 * (1 + 5e-5) + 1e-6);
  const delta = { query: "delta_at_epsilon", epsilon: 1, delta: 1e-3 };
  isInterval({ ...delta, accountant: { name: "rdp" } }, 0, 1e-3 * (1 + 1e-9));
  isInterval({ ...delta, accountant: { name: "pld" } }, 0.97e-3, 1e-3 * (1 + 1e-4));
  isInterval({ ...delta, accountant: { name: "analytic_gaussian" } }, 1e-3 - 1e-9, 1e-3 + 1e-9);
  isInterval({ query: "sigma_for_epsilon", sigma: 2, tolerance: 1e-3 }, 0, 2.002);
  isInterval({ query: "sigma_for_epsilon", sigma: 2 }, 0, 2 + 2e-9);
  isInterval({ query: "max_steps_for_epsilon", steps: 70 }, 70, Infinity);
  isInterval({ query: "rdp_at_order", params: { order: 4 }, rdp: 0.5 }, 0.5 - 5e-10, 0.5 + 5e-10);
  isInterval(
    { query: "rdp_at_order", params: { order: 4.5 }, rdp: 0.5, rdp_dp_accounting: 0.6 },
    0.5 * (1 - 1e-9),
    0.6 * (1 + 1e-9),
  );
  isInterval({ query: "epsilon_lower_bound", epsilon: 0.7 }, 0.7 - 1e-4, 0.7 + 1e-4);
  isInterval({ query: "p_value", value: 0.02 }, 0.02 - 1e-4, 0.02 + 1e-4);
  isInterval({ query: "group", delta: 0.5 }, 0.5 - 5e-11, 0.5 + 5e-11);
  isInterval({ query: "other", value: -8 }, -8 - 8e-10, -8 + 8e-10);
  assert.equal(accepted({ query: "other" }), undefined);
});

Deno.test("an rdp answer is not accepted below what pld says of the same question, but where the golden one is", () => {
  const question = { ...ROW, query: "epsilon_at_delta", delta: 1e-5 };
  const pld = { ...question, epsilon: 4, accountant: { name: "pld" } };
  const bounds = lowerBounds([
    pld,
    { ...question, delta: 1e-6, epsilon: 5, epsilon_lower: 4.5, accountant: { name: "pld" } },
    { ...question, query: "delta_at_epsilon", delta: 1e-7, epsilon: 9, accountant: { name: "pld" } },
    { ...question, delta: 1e-8, epsilon: 9, accountant: { name: "rdp" } },
  ]);
  assert.equal(bounds.size, 2);
  const rdp = (row: object) => accepted({ ...question, accountant: { name: "rdp" }, ...row }, bounds)!;
  near(rdp({ epsilon: 4.4 }).low, 0.998 * 4 - 0.005);
  assert.equal(rdp({ epsilon: 4.6, delta: 1e-6 }).low, 4.5);
  assert.equal(rdp({ epsilon: 3.9 }).low, 0);
  for (
    const other of [{ delta: 1e-7 }, { delta: 1e-8 }, { neighboring: "replace_one" }, { composition: 1 }]
  ) {
    assert.equal(rdp({ epsilon: 9, ...other }).low, 0);
  }
});

Deno.test("a noise for an epsilon is answered to the tolerance of its accountant", () => {
  const row = (name: string, epsilon: number): AccountingRow => ({
    id: "s",
    query: "sigma_for_epsilon",
    composition: { type: "gaussian" },
    neighboring: "add_or_remove_one",
    accountant: { name },
    epsilon,
    delta: 1e-6,
  });
  const fits = (sigma: number, name: string) =>
    epsilonAt({ type: "gaussian", sigma }, 1e-6, {
      neighboring: "add_or_remove_one",
      accountant: name as "rdp",
    }).epsilon;
  for (const [name, tolerance] of [["rdp", 1e-6], ["analytic_gaussian", 1e-11]] as const) {
    for (const epsilon of [0.3, 0.7, 1, 1.3, 1.9, 2.6, 3.1, 4, 5.5, 7]) {
      const sigma = answerRow(row(name, epsilon));
      assert.ok(
        fits(sigma, name) <= epsilon && fits(sigma - 1.001 * tolerance, name) > epsilon,
        `${name} ${epsilon}`,
      );
    }
  }
  for (const epsilon of [1, 4]) {
    const sigma = answerRow(row("pld", epsilon));
    assert.ok(fits(sigma, "pld") <= epsilon && fits(sigma - 1.001e-6, "pld") > epsilon);
  }
});

Deno.test("rows ask for what they name: steps, orders, formulas", () => {
  const gaussian = { type: "gaussian", sigma: 20 };
  const steps: AccountingRow = {
    id: "m",
    query: "max_steps_for_epsilon",
    composition: { type: "self_composed", event: gaussian, count: null },
    neighboring: "add_or_remove_one",
    accountant: { name: "analytic_gaussian" },
    epsilon: 1,
    delta: 1e-6,
  };
  const most = answerRow(steps);
  const at = (count: number) =>
    epsilonAt({ type: "self_composed", event: { type: "gaussian", sigma: 20 }, count }, 1e-6, {
      neighboring: "add_or_remove_one",
      accountant: "analytic_gaussian",
    }).epsilon;
  assert.ok(at(most) <= 1 && at(most + 1) > 1);
  const rdp: AccountingRow = { ...ROW, query: "rdp_at_order", params: { order: 6 } };
  assert.equal(answerRow(rdp), 6 / 8);
  const orders = (list?: string): AccountingRow => ({
    ...ROW,
    composition: { type: "gaussian", sigma: 0.5 },
    query: "epsilon_at_delta",
    delta: 1e-5,
    accountant: { name: "rdp", ...(list === undefined ? {} : { orders: list }) },
  });
  assert.ok(answerRow(orders("integers 2..256")) > answerRow(orders()), "fractional orders are left out");
  const loud = (sigma: number): AccountingRow => ({
    ...orders("integers 2..256"),
    composition: { type: "gaussian", sigma },
  });
  // From 2 to 256, both searched: at the edge a very quiet and a very loud Gaussian have their optimum.
  near(answerRow(loud(0.1)), 2 * 50 + Math.log(0.5) - Math.log(2e-5));
  near(answerRow(loud(1000)), Math.max(0, 256 / 2e6 + Math.log1p(-1 / 256) - Math.log(256e-5) / 255));
  for (
    const query of ["epsilon_at_delta", "delta_at_epsilon", "rdp_at_order", "sigma_for_epsilon", "p_value"]
  ) {
    const bare = { ...ROW, query, accountant: { name: "pld" } } as AccountingRow;
    assert.throws(() => answerRow(bare), { code: "UnsupportedDpEvent" }, query);
  }
  assert.throws(() => answerRow({ ...orders(), accountant: { name: "gut" } }), {
    code: "UnsupportedDpEvent",
  });
});

Deno.test("Python's NaN and infinities are read where JSON has none, and left alone inside texts", () => {
  assert.deepEqual(parsePythonJson('{"a": Infinity, "b": -Infinity, "c": NaN, "d": "NaN \\" Infinity"}'), {
    a: Infinity,
    b: -Infinity,
    c: null,
    d: 'NaN " Infinity',
  });
  assert.deepEqual(accountingRows([{ id: "x" }]), [{ id: "x" }]);
  assert.deepEqual(accountingRows({ rows: [{ id: "x" }] }), [{ id: "x" }]);
  for (const file of [[{ id: 3 }], [null], [3], { rows: {} }]) {
    assert.throws(() => accountingRows(file), { code: "FormatError" });
  }
});

Deno.test("an answer is accepted at both ends of its interval, and without a rule it is only given", () => {
  const verdicts = verifyAccountingFile({
    rows: [
      { ...ROW, id: "at", query: "rdp_at_order", params: { order: 8 }, rdp: 1 },
      { ...ROW, id: "low", query: "rdp_at_order", params: { order: 8 }, rdp: 1.00000001 },
      { ...ROW, id: "high", query: "rdp_at_order", params: { order: 8 }, rdp: 0.99999999 },
      { ...ROW, id: "prv", query: "epsilon_at_delta", delta: 1e-5, accountant: { name: "prv" } },
      { id: "formula", query: "sigma_delta", params: { noise_multiplier: 1, count_stddev: 5 } },
    ],
  }).rows;
  assert.deepEqual(verdicts.map((row) => "accepted" in row ? row.accepted : undefined), [
    ...[true, false, false, undefined, undefined],
  ]);
  assert.ok(verdicts.every((row) => "value" in row));
});
