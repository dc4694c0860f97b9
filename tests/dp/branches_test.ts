import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  acceptedInterval,
  addClippedUnit,
  belowExpMinus,
  buildReport,
  clopperPearsonUpper,
  createPlan,
  deltaAt,
  type DpEvent,
  type DpPlanRequest,
  epsilonAt,
  type LedgerBudget,
  lowerBounds,
  openLedger,
  privacyCurve,
  readLedger,
  RenyiFilter,
  viewGuarantees,
} from "../../src/dp/mod.ts";
import {
  fdpEpsilon,
  fdpRejects,
  gaussianClaim,
  gaussianEpsilon,
  guessFromScores,
  oneRunEpsilon,
  oneRunPValue,
} from "../../src/dp/mod.ts";
import { whereSupported } from "../../src/dp/accounting/mod.ts";
import { bisect } from "../../src/dp/numerics/mod.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import { readChain, sealRecord } from "../../src/dp/ledger/chain.ts";
import type { LedgerRecord, RecordBody } from "../../src/dp/ledger/types.ts";
import { encodingOf } from "../../src/dp/plan/shares.ts";
import { completeRequest } from "../../src/dp/plan/validate.ts";
import { discretise } from "../../src/dp/pld/discretise.ts";
import { gaussianPair } from "../../src/dp/pld/gaussian_pair.ts";
import { deltaOfLoss, epsilonOfLoss, LossDistribution } from "../../src/dp/pld/mod.ts";
import { composedSize, composeLosses } from "../../src/dp/pld/compose.ts";
import type { AtomicPair } from "../../src/dp/pld/pairs.ts";
import { poissonPair } from "../../src/dp/pld/poisson_pair.ts";
import { rdpDeltaOf, rdpEpsilonOf, sampledGaussianRdp } from "../../src/dp/rdp/mod.ts";
import type { AccountingRow } from "../../src/dp/verify/parse.ts";
import { summaryOf } from "../../src/dp/report/wording.ts";
import { times } from "./_record_events.ts";
import { REPORTS } from "./_report_samples.ts";

const ADD = { neighboring: "add_or_remove_one" } as const;
/** A mechanism that the Renyi accountant has no bound for. */
const SAMPLED_LAPLACE: DpEvent = { type: "poisson", q: 0.1, event: { type: "laplace", b: 4 } };

const REQUEST: DpPlanRequest = {
  populations: [{ name: "icu", unit: "patient", samplingRate: 0.05, maxGradNorm: 1 }],
  setsAreDisjoint: true,
  neighboring: "add_or_remove_one",
  steps: 5,
  dimension: 1,
  cohort: { n: 2048, nMin: 8, colluders: 2 },
  maxUnitsPerStep: 1,
  delta: 1e-5,
  target: { noiseMultiplier: 1.5 },
};

Deno.test("without a bound at any order the first order is named, and epsilon is infinite", () => {
  for (const orders of [undefined, [3, 5, 7]]) {
    const order = orders?.[0] ?? 1.01;
    assert.deepEqual(rdpEpsilonOf({ type: "non_private" }, 1e-6, "add_or_remove_one", orders), {
      ...{ value: Infinity, order, atEdge: false },
    });
    assert.deepEqual(rdpDeltaOf({ type: "non_private" }, 1, "add_or_remove_one", orders), {
      ...{ value: 1, order, atEdge: false },
    });
  }
});

Deno.test("only what an accountant does not support is passed over, no other error", () => {
  const failing = (error: Error) => () =>
    whereSupported(() => {
      throw error;
    });
  assert.equal(whereSupported(() => 3), 3);
  assert.equal(failing(new FedKimError("UnsupportedDpEvent", "a", {}))(), undefined);
  const others = [
    new FedKimError("InternalError", "b", {}),
    Object.assign(new Error("c"), { code: "UnsupportedDpEvent" }),
  ];
  for (const error of others) assert.throws(failing(error), error);
});

Deno.test("a ledger and a plan say nothing by the Renyi accountant where it has no bound", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const budgets: LedgerBudget[] = [{ population: "icu", unit: "patient", ...ADD, epsilon: 5, delta: 1e-5 }];
    using ledger = await openLedger(`${folder}/l`, { site: "a", budgets });
    const planHash = "a".repeat(64);
    await ledger.commit({
      planHash,
      schedules: [{ population: "icu", schedule: times(SAMPLED_LAPLACE, 3) }],
    });
    await ledger.charge({ planHash, round: 0, charges: [{ population: "icu", event: SAMPLED_LAPLACE }] });
    const [status] = ledger.status().populations;
    assert.equal("spentRdp" in status, false);
    assert.ok(status.spent > 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  // Two units replaced in a sample: known to the one accountant only.
  const views = viewGuarantees(createPlan({ ...REQUEST, neighboring: "replace_one" }));
  assert.ok(views.every((view) => !("epsilonRdp" in view) && view.epsilon > 0));
});

Deno.test("epsilon is the last grid point where delta is met exactly there, and finite where the mass at infinity is delta", () => {
  for (const interval of [0.1, 0.07, 1 / 3, 0.013]) {
    for (let n = 3; n < 12; n++) {
      const masses = Float64Array.from({ length: n }, (_, i) => (1 + (i * 7) % 5) / (6 * n));
      const infinityMass = 1e-3 * n;
      const loss = new LossDistribution(interval, 4, masses, infinityMass);
      // What the sums of the definition come to at the grid point below the top two.
      let [mass, excess] = [0, 0];
      for (let i = n - 1; i >= n - 2; i--) {
        mass += masses[i];
        excess = excess * Math.exp(-interval) + mass * -Math.expm1(-interval);
      }
      const point = (4 + n - 4) * interval + interval;
      assert.equal(
        epsilonOfLoss(loss, infinityMass + excess),
        point - interval + interval,
        `${interval}, ${n}`,
      );
    }
  }
  const loss = new LossDistribution(1, 1, Float64Array.of(0.5), 0.25);
  assert.deepEqual([epsilonOfLoss(loss, 0.25), epsilonOfLoss(loss, 0.2499)], [1, Infinity]);
  assert.deepEqual([deltaOfLoss(loss, 1), deltaOfLoss(loss, 2)], [0.25, 0.25]);
  assert.equal(epsilonOfLoss(loss, 0.9), 0);
});

Deno.test("a loss beyond what e^x holds is discretised without a number that is none", () => {
  // mu = 50: the mass of Q vanishes where e^loss overflows.
  const pair = gaussianPair(50);
  for (const interval of [1, 0.25]) {
    const { masses, infinityMass } = discretise(pair, interval, 1e-15);
    const total = masses.reduce((a, b) => a + b, infinityMass);
    assert.ok(Math.abs(total - 1) < 1e-12, `${total}`);
  }
  const loud: DpEvent = { type: "gaussian", sigma: 0.02 };
  const exact = epsilonAt(loud, 1e-6, { ...ADD, accountant: "analytic_gaussian" }).epsilon;
  const found = epsilonAt(loud, 1e-6, { ...ADD, gridInterval: 0.1 }).epsilon;
  assert.ok(found >= exact && found < exact * 1.001, `${found} and ${exact}`);
});

Deno.test("delta is at most 1, rounding noise of the transform included", () => {
  // Here the masses sum to 1, and the noise comes on top.
  for (const [sigma, gridInterval] of [[0.3, 0.5], [0.15, 0.1], [0.1, 0.5]]) {
    const loud = times({ type: "gaussian", sigma }, 300);
    const options = { ...ADD, gridInterval };
    assert.equal(deltaAt(loud, 0, options).delta, 1);
    assert.equal(privacyCurve(loud, [0], options)[0].delta, 1);
  }
});

Deno.test("an audit's counts are checked by every function that reads them", () => {
  const code = "ConfigError";
  const bad = [[10, 11, 5], [10, 5, 6], [0, 0, 0], [10, 5, -1], [10.5, 5, 2], [10, NaN, 2]];
  for (const [canaries, guesses, correct] of bad) {
    const counts = { canaries, guesses, correct };
    assert.throws(() => fdpRejects(counts, gaussianClaim(1), 0.05), { code });
    assert.throws(() => oneRunPValue(counts, 1, 0), { code });
  }
  const counts = { canaries: 10, guesses: 5, correct: 4 };
  for (const significance of [0, 1, -0.1, NaN]) {
    assert.throws(() => fdpEpsilon(counts, 1e-5, significance), { code });
    assert.throws(() => oneRunEpsilon(counts, 1e-5, significance), { code });
  }
  for (const [canaries, guesses, correct] of bad) {
    assert.throws(() => fdpEpsilon({ canaries, guesses, correct }, 1e-5, 0.05), { code });
    assert.throws(() => oneRunEpsilon({ canaries, guesses, correct }, 1e-5, 0.05), { code });
  }
  for (const [k, n] of [[11, 10], [-1, 10], [0, 0], [0.5, 10]]) {
    assert.throws(() => clopperPearsonUpper(k, n, 0.05), { code }, `${k} of ${n}`);
  }
  for (const significance of [0, 1, NaN]) {
    assert.throws(() => clopperPearsonUpper(1, 10, significance), { code });
  }
});

Deno.test("an encoding takes the last grid unit that the ring has for a site, and the last unit of a step", () => {
  const request = completeRequest(REQUEST);
  const grid = { scale: 1024, sensitivity: 1026 };
  const { n } = request.cohort;
  const noise = (reach: number) => ({
    noiseMultiplier: 1,
    honestShares: 6,
    shareVariance: { numerator: "1", denominator: "1" },
    shareStddev: reach / 16,
  });
  const most = Math.floor((2 ** 31 - 1) / n);
  assert.equal(encodingOf(request, grid, noise(most - 1)).coordinateLimit, 1);
  assert.throws(() => encodingOf(request, grid, noise(most)), { code: "ConfigError" });
  const units = { ...request, maxUnitsPerStep: n };
  assert.equal(encodingOf(units, grid, noise(most - 1024)).coordinateLimit, 1024);
  assert.throws(() => encodingOf(units, grid, noise(most - 1023)), { code: "ConfigError" });
  const alone = { ...request, profile: { type: "local", stepsPerRound: 1 } as const };
  assert.equal(encodingOf(alone, grid, noise(2 ** 31 - 1 - 1024)).coordinateLimit, 1024);
  assert.throws(() => encodingOf(alone, grid, noise(2 ** 31 - 1024)), { code: "ConfigError" });
});

Deno.test("a report covers the steps it is asked for, or those charged, or else all that the plan has", () => {
  const plan = createPlan({ ...REQUEST, cohort: { n: 4, nMin: 3, colluders: 1 }, steps: 3 });
  const input = { title: "t", generatedAt: "now", plan, ledgers: [], unaccounted: [], groups: [] };
  assert.equal(buildReport(input).plan!.stepsRun, 3);
  assert.equal(buildReport({ ...input, steps: 1 }).plan!.stepsRun, 1);
  assert.equal(buildReport({ ...input, steps: 0 }).plan!.stepsRun, 1);
  const [rest] = REPORTS.rich.sites;
  const statements = [1, 0].map((rounds) => ({
    ...rest,
    rows: rest.rows.map((row) => ({ ...row, rounds })),
  }));
  assert.equal(buildReport({ ...input, statements }).plan!.stepsRun, 1);
  assert.equal(buildReport({ ...input, statements: statements.slice(1) }).plan!.stepsRun, 3);
});

Deno.test("a file without an opening of this format is no ledger, whatever its chain says", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/l`;
  try {
    const first = {
      type: "open",
      format: "fedkim-ledger/1",
      site: "a",
      budgets: [],
      at: "2026-01-01T00:00:00Z",
    };
    const { budgets: _, ...bare } = first;
    const others = [
      ...[{ ...first, format: "fedkim-ledger/2" }, { ...first, type: "close" }, {
        ...bare,
        type: "budget",
        changes: [],
      }],
    ];
    for (const body of [undefined, ...others]) {
      const text = body === undefined
        ? ""
        : `${JSON.stringify(sealRecord(body as unknown as RecordBody, undefined))}\n`;
      await Deno.writeTextFile(path, text);
      await assert.rejects(readLedger(path), { message: /no valid first record/ });
    }
    await Deno.writeTextFile(
      path,
      `${JSON.stringify(sealRecord(first as unknown as RecordBody, undefined))}\n`,
    );
    assert.deepEqual((await readLedger(path)).populations, []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("sampling leaves all of an atomic pair's mass where it was or at its new outcome, and none is lost", () => {
  const [q, infinityMass] = [0.25, 0.1];
  const base: AtomicPair = {
    kind: "atomic",
    losses: Float64Array.of(0.5, -0.5),
    masses: Float64Array.of(0.6, 0.3),
    infinityMass,
  };
  const { remove, add } = poissonPair(base, q) as { remove: AtomicPair; add: AtomicPair };
  const near = (found: Iterable<number>, wanted: readonly number[]) => {
    const list = [...found];
    assert.equal(list.length, wanted.length);
    for (const [i, x] of list.entries()) {
      assert.ok(Math.abs(x - wanted[i]) < 1e-15, `${x} is not ${wanted[i]}`);
    }
  };
  near(remove.losses, [0.5, -0.5].map((l) => Math.log(1 - q + q * Math.exp(l))).concat(Math.log(1 - q)));
  near(remove.masses, [
    0.75 * 0.6 * Math.exp(-0.5) + 0.25 * 0.6,
    0.75 * 0.3 * Math.exp(0.5) + 0.25 * 0.3,
    0.75 * infinityMass,
  ]);
  near([remove.infinityMass, add.infinityMass], [q * infinityMass, 0]);
  near(add.losses, [0.5, -0.5].map((l) => -Math.log(1 - q + q * Math.exp(-l))).concat(-Math.log(1 - q)));
  near(add.masses, [0.6, 0.3, infinityMass]);
});

Deno.test("a coin of e^0 reads no further word, whatever its first one is", () => {
  assert.equal(belowExpMinus(0xffffffff, 0n, 1n, () => assert.fail("a word was read")), true);
  assert.equal(belowExpMinus(0xffffffff, -1n, 1n, () => assert.fail("a word was read")), true);
});

Deno.test("a person's epsilon is stated up to 1000, and none beyond", () => {
  const populations = [{ name: "icu", unit: "site", samplingRate: 1, maxGradNorm: 1 }] as const;
  const stated = (wanted: number): number | null => {
    const [mu] = bisect(0, 100, 1e-9, (mu) => gaussianEpsilon(mu, 1e-5) >= wanted);
    const plan = createPlan({
      ...{ ...REQUEST, populations, steps: 1, cohort: { n: 4, nMin: 3, colluders: 1 } },
      target: { noiseMultiplier: 20 / mu },
    });
    const groups = [{ population: "icu", people: "some", maxUnits: 20 }];
    return buildReport({ title: "t", generatedAt: "now", plan, ledgers: [], unaccounted: [], groups })
      .groups[0]
      .epsilonPerPerson;
  };
  assert.ok(Math.abs(stated(999.5)! - 999.5) < 0.3);
  assert.equal(stated(1000.5), null);
});

Deno.test("a ledger with a Renyi filter says how many steps still fit, down to the last one", async () => {
  const folder = await Deno.makeTempDir();
  const event: DpEvent = { type: "gaussian", sigma: 20 };
  const order = 8;
  const base = { population: "icu", unit: "patient", ...ADD, delta: 1e-5 } as const;
  const planHash = "b".repeat(64);
  try {
    for (const left of [0, 1, 2, 3, 4, 5, 8]) {
      const filter = new RenyiFilter({ ...ADD, epsilon: 1, delta: 1e-5, order });
      filter.force(event);
      const epsilon = filter.epsilonAfter(times(event, left));
      const budgets: LedgerBudget[] = [{ ...base, epsilon, filter: { type: "renyi", order } }];
      using ledger = await openLedger(`${folder}/${left}`, { site: "a", budgets });
      await ledger.commit({ planHash, schedules: [{ population: "icu", schedule: times(event, 1 + left) }] });
      await ledger.charge({ planHash, round: 0, charges: [{ population: "icu", event }] });
      assert.equal(ledger.status().populations[0].roundsLeft, left);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the search over listed orders goes on for sixty that are no better, and no further", () => {
  const event: DpEvent = { type: "gaussian", sigma: 1 };
  const best = (between: number) => {
    // Order 5.3 is near the best for a Gaussian of this noise, 4 is good, 2000 is bad.
    const orders = [4, ...new Array<number>(between).fill(2000), 5.3];
    return rdpEpsilonOf(event, 1e-5, "add_or_remove_one", orders).order;
  };
  assert.deepEqual([0, 1, 58, 59, 60, 61].map(best), [5.3, 5.3, 5.3, 5.3, 4, 4]);
});

Deno.test("guesses need one finite score for each canary, and are at least one and at most as many as these", () => {
  const included = [true, false, true];
  const scores = [3, 1, 2];
  for (const guesses of [1, 2, 3]) guessFromScores(scores, included, guesses);
  for (const guesses of [0, 4, 1.5, -1, NaN, Infinity]) {
    assert.throws(() => guessFromScores(scores, included, guesses), { code: "ConfigError" }, `${guesses}`);
  }
  for (const bad of [[1, 2], [1, 2, 3, 4], [1, NaN, 2], [1, 2, Infinity], []]) {
    assert.throws(() => guessFromScores(bad, included, 2), { code: "ConfigError" }, `${bad}`);
  }
});

Deno.test("a sample of nobody costs nothing, and a sample of all what the mechanism costs", () => {
  for (const order of [1.5, 2, 7]) {
    assert.equal(sampledGaussianRdp(order, 0, 2), 0);
    assert.equal(sampledGaussianRdp(order, 1, 2), order / 8);
  }
});

Deno.test("a mass at infinity that rounding has made larger than 1 is 1, and stays 1 in every composition", () => {
  const loss = new LossDistribution(0.1, 0, Float64Array.of(0, 0), 1 + 2 ** -52);
  const parts = [{ loss, count: 3 }];
  const composed = composeLosses(parts, 1e-15, composedSize(parts, 1e-15));
  assert.equal(composed.loss.infinityMass, 1);
  assert.equal(deltaOfLoss(composed.loss, 1), 1);
});

Deno.test("an empty line is a line: torn at the beginning of a file, and not one without its end", () => {
  assert.deepEqual(readChain(Uint8Array.of(10)), {
    records: [],
    torn: [{ bytes: 0, sha256: createHash("sha256").digest("hex") }],
    unterminated: false,
  });
  assert.equal(readChain(Uint8Array.of(32)).unterminated, true);
  // Bytes that are no text are no record either, though they look like one.
  const broken = new TextEncoder().encode('{"a":"?"}').with(6, 0xff);
  assert.equal(readChain(broken).torn.length, 1);
  assert.deepEqual(readChain(new Uint8Array(0)), { records: [], torn: [], unterminated: false });
});

Deno.test("a gradient up to the bound is not clipped, and one above it or without finite numbers is said to be so", () => {
  const unit = (...gradient: number[]) => addClippedUnit(new Float64Array(2), Float64Array.from(gradient), 5);
  assert.deepEqual(unit(3, 3.9), { nonFinite: false, clipped: false });
  assert.deepEqual(unit(0, 0), { nonFinite: false, clipped: false });
  assert.deepEqual(unit(3, 4.001), { nonFinite: false, clipped: true });
  assert.deepEqual(unit(NaN, 0), { nonFinite: true, clipped: false });
});

Deno.test("the name of a new ledger is made durable with it, and nothing but records later", async () => {
  const folder = await Deno.makeTempDir();
  const { sync } = Deno.FsFile.prototype;
  let synced = 0;
  Deno.FsFile.prototype.sync = function (this: Deno.FsFile) {
    synced++;
    return sync.call(this);
  };
  try {
    const budgets: LedgerBudget[] = [{ population: "icu", unit: "patient", ...ADD, epsilon: 5, delta: 1e-5 }];
    const open = () => openLedger(`${folder}/l`, { site: "a", budgets });
    (await open()).close();
    assert.equal(synced, 2, "the record and the folder");
    (await open()).close();
    assert.equal(synced, 2);
  } finally {
    Deno.FsFile.prototype.sync = sync;
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a person's epsilon is called weak above 15", () => {
  const { rich } = REPORTS;
  const said = (epsilonPerPerson: number) =>
    summaryOf({ ...rich, groups: [{ ...rich.groups[0], maxUnits: 2, epsilonPerPerson }] }).join(" ");
  assert.doesNotMatch(said(15), /weak protection/);
  assert.match(said(15.001), /weak protection/);
});

Deno.test("a golden Renyi value may be as small as the PLD rule, and nothing is asked of one below it", () => {
  const row = {
    id: "a",
    composition: { type: "gaussian", sigma: 1 },
    query: "epsilon_at_delta",
    delta: 1e-5,
    neighboring: "add_or_remove_one",
    accountant: { name: "rdp" },
    epsilon: 2,
  } as unknown as AccountingRow;
  const pld = (epsilon_lower: number) =>
    lowerBounds([{ ...row, accountant: { name: "pld" }, epsilon_lower } as unknown as AccountingRow]);
  const high = 2 * (1 + 1e-9);
  assert.deepEqual(acceptedInterval(row, pld(high)), { low: high, high });
  assert.deepEqual(acceptedInterval(row, pld(1.5)), { low: 1.5, high });
  assert.deepEqual(acceptedInterval(row, pld(2.1)), { low: 0, high });
});

Deno.test("a chain of right hashes whose records hold something else than a ledger's is refused, field by field", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/l`;
  const at = "2026-01-01T00:00:00Z";
  const budget = {
    ...{ population: "icu", unit: "patient", ...ADD, epsilon: 5, delta: 1e-5 },
    filter: { type: "signed_schedule" },
  };
  const open = { type: "open", format: "fedkim-ledger/1", site: "a", budgets: [budget], at };
  const commit = { type: "commit", planHash: "p", schedules: [], at };
  const charge = { type: "charge", planHash: "p", round: 0, charges: [], at };
  const write = async (...bodies: object[]) => {
    const records: LedgerRecord[] = [];
    for (const body of bodies) records.push(sealRecord(body as RecordBody, records.at(-1)));
    await Deno.writeTextFile(path, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  };
  try {
    await write(open, commit, charge, {
      type: "budget",
      changes: [{ population: "icu", from: null, to: budget }],
      at,
    });
    assert.equal((await readLedger(path)).populations.length, 1);
    const wrong = [
      [{ ...open, at: 5 }],
      [{ ...open, at: "never" }],
      [{ ...open, site: 7 }],
      [{ ...open, budgets: [{ ...budget, epsilon: 0 }] }],
      [open, { ...commit, planHash: 7 }],
      [open, { ...commit, at: undefined }],
      [open, commit, { ...charge, round: 1.5 }],
      [open, commit, { ...charge, at: "x" }],
      [open, {
        type: "budget",
        changes: [{ population: "icu", from: null, to: { ...budget, delta: 2 } }],
        at,
      }],
    ];
    for (const bodies of wrong) {
      await write(...bodies);
      await assert.rejects(readLedger(path), /cannot read/, JSON.stringify(bodies.at(-1)));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
