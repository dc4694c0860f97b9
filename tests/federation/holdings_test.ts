import assert from "node:assert/strict";
import { join } from "node:path";
import {
  fewestHolders,
  populationsHeld,
  requireHolders,
  signHoldings,
} from "../../src/federation/holdings.ts";
import { type FederationPlan, openPlan, sealPlan } from "../../src/federation/federation_plan.ts";
import { gatePlan } from "../../src/federation/plan_gate.ts";
import { EnrollmentBook } from "../../src/federation/enrollment_book.ts";
import { RunStore } from "../../src/federation/run_store.ts";
import { SiteDesk } from "../../src/federation/site_desk.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import { JoinSchema } from "../../src/federation/api/schemas.ts";
import { MOST_SETS } from "../../src/formats/set_name.ts";
import { aggregator, makePlan, policy, sites } from "./_plan.ts";
import { openToEvaluation, planWithEvaluation } from "./site_evaluation/_plan.ts";

const UNITS = new Map([["icu", "patient"]]);

/** The plan where site i states to hold these sets. */
function holding(...sets: readonly (readonly string[] | undefined)[]): FederationPlan {
  const plan = makePlan();
  const roster = plan.roster.map(({ site, publicKey }, i) => {
    const held = sets[i];
    return { site, publicKey, ...(held === undefined ? {} : { holdings: signHoldings(sites[i], held) }) };
  });
  return { ...plan, roster };
}

const gate = (plan: FederationPlan, minimumSites = 3): void =>
  gatePlan(plan, { ...policy, minimumSites }, sites[0], UNITS);
const tooFew = (error: unknown): boolean =>
  error instanceof FedKimError && error.code === "PolicyRefused" &&
  error.details.reason === "sub_cohort_too_small";

Deno.test("a set's fewest holders in any sum are its signed holders less the sites that a sum may lack", () => {
  const [all, some] = [["ecg", "icu"], ["ecg"]];
  assert.deepEqual(fewestHolders(holding(all, all, all, all)), new Map([["icu", 3]]));
  assert.deepEqual(fewestHolders(holding(all, all, some, all)), new Map([["icu", 2]]));
  assert.deepEqual(fewestHolders(holding(all, all, undefined, all)), new Map([["icu", 2]]));
  assert.deepEqual(fewestHolders(holding(undefined)), new Map([["icu", 0]]));
});

Deno.test("gatePlan() refuses a set of which a sum could be over fewer holders than the policy's smallest cohort", () => {
  gate(holding(["icu"], ["icu"], ["icu"], ["icu"]));
  assert.throws(() => gate(holding(["icu"], ["icu"], ["icu"], ["ecg"])), tooFew);
  assert.throws(() => gate(holding(["icu"], ["ecg"], ["ecg"], ["ecg"])), tooFew);
  assert.throws(() => gate(holding()), tooFew);
});

Deno.test("a statement that was changed, or that another site made, counts for nothing", () => {
  const plan = makePlan();
  const forged = (i: number, change: Partial<NonNullable<FederationPlan["roster"][number]["holdings"]>>) => ({
    ...plan,
    roster: plan.roster.map((entry, j) =>
      j === i ? { ...entry, holdings: { ...entry.holdings!, ...change } } : entry
    ),
  });
  gate(plan);
  assert.throws(() => gate(forged(2, signHoldings(sites[1], ["icu"]))), tooFew);
  assert.throws(() => gate(forged(2, { sets: ["ecg", "icu"] })), tooFew);
  assert.throws(() => gate(forged(2, { signature: "00".repeat(64) })), tooFew);
});

Deno.test("the statements travel in the sealed plan, and its hash covers them", () => {
  const plan = holding(["icu"], ["ecg", "icu"], ["icu"], ["icu"]);
  assert.deepEqual(openPlan(sealPlan(plan, aggregator), aggregator.publicKey).roster, plan.roster);
  const sealed = JSON.parse(new TextDecoder().decode(sealPlan(plan, aggregator)));
  sealed.plan.roster[1].holdings.sets = ["icu"];
  const changed = new TextEncoder().encode(JSON.stringify(sealed));
  assert.throws(() => openPlan(changed, aggregator.publicKey), { code: "AuthenticationError" });
});

Deno.test("an aggregator does not begin a run with a set that fewer than three holders of a sum may hold", () => {
  requireHolders(makePlan());
  assert.throws(() => requireHolders(holding(["icu"], ["icu"], ["icu"], ["ecg"])), {
    code: "ConfigError",
    message: /icu: a sum could be over 2 holders/,
  });
});

Deno.test("join() keeps a statement that the site has signed, and refuses any other", async () => {
  const dir = await Deno.makeTempDir();
  const book = await EnrollmentBook.open(join(dir, "aggregator"));
  try {
    await book.store.put(
      "member",
      "a",
      new TextEncoder().encode(JSON.stringify({
        publicKey: [...sites[0].publicKey].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
        role: "site",
        enrolledAt: new Date(0).toISOString(),
      })),
    );
    const desk = new SiteDesk({
      ...{ federation: "test", sites: ["a"], joinDeadlineMs: 1000, book, identity: book.identity },
      ...{ run: new RunStore(book.store, "test", undefined), audit: book.audit, onProgress: () => {} },
      signal: new AbortController().signal,
    });
    const head = { sequence: 1, hash: "00".repeat(32) };
    const own = signHoldings(sites[0], ["icu", "ecg", "icu"]);
    assert.deepEqual(own.sets, ["ecg", "icu"]);
    await desk.join("a", head, own);
    assert.deepEqual([...desk.holdings], [["a", own]]);
    await assert.rejects(desk.join("a", head, signHoldings(sites[1], ["icu"])), {
      code: "AuthenticationError",
    });
    assert.deepEqual([...desk.holdings], [["a", own]]);
    await desk.join("a", head);
    assert.equal(desk.holdings.size, 0);
  } finally {
    await book.close();
    await Deno.remove(dir, { recursive: true });
  }
});

/** The plan with an evaluation where site i states whether it holds patients out. */
function holdingOut(...out: readonly boolean[]): FederationPlan {
  const plan = planWithEvaluation();
  const roster = plan.roster.map(({ site, publicKey }, i) => {
    return { site, publicKey, holdings: signHoldings(sites[i], populationsHeld(["icu"], out[i])) };
  });
  return { ...plan, roster };
}

Deno.test("a site that holds patients out states it for each of its sets, and that is all it states", () => {
  assert.deepEqual(populationsHeld(["icu", "ecg"], true), ["icu", "icu.held_out", "ecg", "ecg.held_out"]);
  assert.deepEqual(populationsHeld(["icu", "ecg"], false), ["icu", "ecg"]);
});

Deno.test("an evaluation that could be of fewer sites' held-out patients than the smallest cohort is refused", () => {
  const gate = (plan: FederationPlan) => gatePlan(plan, openToEvaluation, sites[0], UNITS);
  const all = holdingOut(true, true, true, true);
  assert.deepEqual(fewestHolders(all), new Map([["icu", 3], ["icu.held_out", 3]]));
  gate(all);
  for (const out of [[true, true, true, false], [false, true, true, true], [true, false, false, false]]) {
    const plan = holdingOut(...out);
    assert.throws(() => gate(plan), tooFew, `${out}`);
    assert.throws(() => requireHolders(plan), { code: "ConfigError", message: /icu\.held_out/ });
    const { evaluation: _, ...alone } = plan;
    gatePlan(alone, openToEvaluation, sites[0], UNITS);
  }
});

Deno.test("a join takes the statement of a site with the longest names and the most sets, and no longer one", () => {
  const head = { sequence: 0, hash: "00".repeat(32) };
  const names = Array.from({ length: MOST_SETS }, (_, i) => `${i}`.padStart(55, "n"));
  const join = (sets: string[]) =>
    JoinSchema.safeParse({ head, holdings: signHoldings(sites[0], sets) }).success;
  assert.ok(join(populationsHeld(names, true)));
  assert.ok(!join([...populationsHeld(names, true), "one_more"]));
  assert.ok(!join(["n".repeat(65)]));
  assert.ok(!join(["a|b"]));
});
