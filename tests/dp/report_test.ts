import assert from "node:assert/strict";
import {
  buildReport,
  createPlan,
  openLedger,
  planHash,
  type PrivacyReport,
  renderHtml,
  renderMarkdown,
  renderTerminal,
} from "../../src/dp/mod.ts";
import { probability, probabilityUpper } from "../../src/dp/report/format.ts";

const plan = createPlan({
  populations: [
    { name: "icu", unit: "patient", samplingRate: 0.05, maxGradNorm: 1 },
    { name: "ecg", unit: "record", samplingRate: 0.02, maxGradNorm: 1 },
  ],
  setsAreDisjoint: true,
  neighboring: "add_or_remove_one",
  steps: 20,
  dimension: 100,
  cohort: { n: 4, nMin: 3, colluders: 1 },
  maxUnitsPerStep: 100,
  delta: 1e-5,
  target: { noiseMultiplier: 1.2 },
});

/** A report of two sites whose budgets were raised, and which stopped early. */
async function sample(): Promise<PrivacyReport> {
  const folder = await Deno.makeTempDir();
  const hash = planHash(plan);
  const ledgers = [];
  for (const site of ["midwest", "south <b>"]) {
    const budgets = plan.request.populations.map((p) => ({
      population: p.name,
      unit: p.unit,
      neighboring: plan.request.neighboring,
      epsilon: 8,
      delta: 4e-5,
    }));
    const smaller = budgets.map((b) => ({ ...b, epsilon: 6 }));
    (await openLedger(`${folder}/${site.slice(0, 3)}.jsonl`, { site, budgets: smaller })).close();
    using ledger = await openLedger(`${folder}/${site.slice(0, 3)}.jsonl`, { site, budgets });
    await ledger.commit({ planHash: hash, schedules: plan.events, delta: plan.request.delta });
    for (let round = 0; round < 10; round++) {
      await ledger.charge({
        planHash: hash,
        round,
        charges: plan.events.map((e) => ({ population: e.population, event: e.step })),
      });
    }
    ledgers.push(ledger.status());
  }
  await Deno.remove(folder, { recursive: true });
  return buildReport({
    title: "Budget & report",
    generatedAt: "2026-01-01T00:00:00.000Z",
    plan,
    ledgers,
    audits: [{
      population: "ecg",
      epsilonLower: 0.412,
      epsilonLowerSteinke: 0.3019,
      power: 0.98,
      epsilonUpper: 1.2,
      delta: 1e-5,
      confidence: 0.95,
      method: "one_run_fdp",
      canaries: 1000,
      guesses: 100,
      correct: 70,
      pValue: 0.4,
    }],
    unaccounted: [{ what: "when a site is online", seenBy: "the server", note: "fixed slots | 2 s" }],
    groups: [{ population: "ecg", people: "ECG persons", maxUnits: 5 }],
  });
}

const report = await sample();

Deno.test("the report is plain JSON with views, budgets, groups, curves and gaps", () => {
  assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
  assert.equal(report.format, "fedkim-privacy-report/1");
  assert.equal(report.views.length, 2 * 4 * 2);
  assert.deepEqual(report.sites.map((s) => s.site), ["midwest", "south <b>"]);
  const [icu, ecg] = report.sites[0].rows;
  assert.equal(icu.rounds, 10);
  assert.ok(icu.spent > 0 && icu.spentRdp! >= icu.spent && icu.committed > icu.spent);
  assert.equal(icu.auditLower, undefined);
  assert.equal(ecg.auditLower, 0.412);
  assert.ok(report.groups[0].epsilonPerPerson! > report.groups[0].epsilonPerUnit);
  assert.equal(report.plan!.stepsRun, 10);
  for (const { epsilonByRound, tradeOff, truePositiveRate } of report.curves) {
    for (let i = 1; i < epsilonByRound.length; i++) {
      assert.ok(epsilonByRound[i][1] >= epsilonByRound[i - 1][1]);
    }
    assert.equal(tradeOff[0][0], 0);
    assert.ok(tradeOff.every(([x, y]) => y >= 0 && y <= 1 - x + 1e-9));
    assert.ok(truePositiveRate > 0.001 && truePositiveRate < 1);
  }
});

Deno.test("the coalition's epsilon in the report is what the ledger charged", () => {
  const view = report.views.find((v) =>
    v.population === "icu" && v.view === "coalition" && v.survivors === 3
  )!;
  const [{ spent, delta, deltaLeft }] = report.sites[0].rows;
  assert.ok(Math.abs(view.epsilon - spent) < 1e-9);
  assert.deepEqual([delta, Number(deltaLeft.toPrecision(6))], [4e-5, 3e-5]);
});

Deno.test("changes of budgets and the delta that is left are in every rendering", () => {
  assert.equal(report.sites[0].budgetChanges.length, 2);
  for (const text of [renderTerminal(report), renderMarkdown(report), renderHtml(report)]) {
    assert.match(text, /Changes of budgets/);
    assert.match(text, /ε 6, δ 4e-5/);
    assert.match(text, /ε 8, δ 4e-5/);
    assert.match(text, /Budgets were changed after a ledger was opened \(4 changes/);
    assert.match(text, /3e-5/);
  }
});

Deno.test("an audit's bounds, power and verdict are printed, and a refutation cannot be overlooked", () => {
  const passed = renderTerminal(report);
  assert.match(passed, /0\.412 \(95\.0 %\) +0\.301 \(95\.0 %\) +1\.200 .* 0\.98 +not refuted/);
  assert.match(passed, /does not contradict the claim/);
  const audits = report.audits.map((a) => ({ ...a, pValue: 0.00042 }));
  const failed = buildReport({
    title: "t",
    generatedAt: "now",
    ledgers: [],
    audits,
    unaccounted: [],
    groups: [],
  });
  for (const text of [renderTerminal(failed), renderMarkdown(failed), renderHtml(failed)]) {
    assert.match(text, /REFUTES the claim \(p = 4\.2e-4\): do not release anything/);
  }
});

Deno.test("small probabilities are printed with their digits, and upper bounds never below themselves", () => {
  for (
    const [value, shown] of [[1.4e-5, "1.4e-5"], [2.5e-6, "2.5e-6"], [0, "0"], [0.0421, "0.0421"]] as const
  ) {
    assert.equal(probability(value), shown);
  }
  for (const value of [1e-5, 1.2344e-5, 1.2346e-5, 9.9999e-7, 0.00123456]) {
    const shown = Number(probabilityUpper(value));
    assert.ok(shown >= value && shown <= value * 1.012, `${value}: ${shown}`);
  }
});

Deno.test("the page is self-contained, escaped, titled and described for people who do not see it", () => {
  const html = renderHtml(report);
  assert.ok(html.startsWith('<!doctype html>\n<html lang="en">'));
  assert.doesNotMatch(html, /<script|https?:|src=|@import|url\(/);
  assert.doesNotMatch(html, /south <b>/);
  assert.match(html, /south &#60;b&#62;/);
  assert.match(html, /<title>Budget &#38; report<\/title>/);
  assert.match(html, /prefers-color-scheme: dark/);
  assert.match(html, /@media print/);
  const figures = html.match(/<svg [^>]*role="img" aria-labelledby="[^"]+"/g) ?? [];
  assert.equal(figures.length, 2);
  for (const [, id] of html.matchAll(/aria-labelledby="(\S+) /g)) assert.ok(html.includes(`id="${id}"`));
  assert.equal((html.match(/<table[ >]/g) ?? []).length, (html.match(/<thead>/g) ?? []).length);
  assert.doesNotMatch(html, /NaN|undefined|Infinity/);
});

Deno.test("every rendering names budget, people, gaps, ledger head and plan", () => {
  for (const text of [renderTerminal(report), renderMarkdown(report), renderHtml(report)]) {
    for (
      const part of [
        "when a site is online",
        report.plan!.hash,
        report.sites[0].head.hash,
        "ECG persons",
        "PLD",
        "RDP",
        "coll",
        "1e-5",
      ]
    ) {
      assert.ok(text.includes(part), part);
    }
    assert.doesNotMatch(text, /NaN|undefined/);
  }
  assert.match(renderMarkdown(report), /fixed slots \\\| 2 s/);
});

Deno.test("printed upper bounds are rounded up and lower bounds down", () => {
  const spent = report.sites[0].rows[0].spent;
  const printed = Number(/icu +patient +8 +(\S+)/.exec(renderTerminal(report))![1]);
  assert.ok(printed >= spent && printed < spent + 0.001);
  assert.match(renderTerminal(report), / 0\.412 /);
});

Deno.test("contrast of text on its background is at least 4.5 to 1 in light and dark", () => {
  const html = renderHtml(report);
  const luminance = (hex: string): number => {
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
      .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const blocks = [...html.matchAll(/:root \{([^}]*)\}/g)].map((m) =>
    Object.fromEntries([...m[1].matchAll(/--(\w+): (#[0-9a-f]{6})/g)].map((v) => [v[1], v[2]]))
  );
  assert.ok(blocks.length >= 2);
  for (const colours of blocks.slice(0, 2)) {
    for (const name of ["ink", "soft", "s0", "s1", "s2", "s3", "s4", "s5"]) {
      for (const ground of ["paper", "panel"]) {
        if (name.startsWith("s") && name !== "soft" && ground === "panel") continue;
        const [a, b] = [luminance(colours[name]), luminance(colours[ground])].sort((x, y) => y - x);
        assert.ok((a + 0.05) / (b + 0.05) >= 4.5, `${name} on ${ground}: ${(a + 0.05) / (b + 0.05)}`);
      }
    }
  }
});

Deno.test("a report without a plan or ledgers says so instead of inventing numbers", () => {
  const empty = buildReport({ title: "t", generatedAt: "now", ledgers: [], unaccounted: [], groups: [] });
  assert.deepEqual([empty.views, empty.sites, empty.curves, empty.summary], [[], [], [], []]);
  assert.match(renderHtml(empty), /named no further release/);
});

Deno.test("a statement with the countersigned entry's number and another hash is of another ledger", async () => {
  const report = await sample();
  const [{ site, head }] = report.sites;
  const shown = (hash: string) =>
    renderMarkdown({ ...report, elsewhere: [{ site, steps: 10, head: { ...head, hash } }] });
  assert.match(shown(head.hash), /its budgets, as of that entry/);
  assert.match(
    shown("f".repeat(64)),
    new RegExp(`budgets of another ledger: its entry ${head.sequence} is ${head.hash.slice(0, 16)}`),
  );
});
