import assert from "node:assert/strict";
import { buildReport, createPlan, openLedger, planHash, readLedger, renderHtml } from "../../src/dp/mod.ts";
import { UNACCOUNTED_RELEASES } from "../../src/federation/mod.ts";
import { browserTest } from "./_chromium.ts";

/** A report as a site would have after 30 of 60 steps. */
async function makeReport(): Promise<string> {
  const dir = await Deno.makeTempDir();
  const plan = createPlan({
    populations: [
      { name: "icu", unit: "patient", samplingRate: 0.1, maxGradNorm: 1 },
      { name: "ecg", unit: "record", samplingRate: 0.2, maxGradNorm: 1 },
    ],
    setsAreDisjoint: true,
    neighboring: "add_or_remove_one",
    steps: 60,
    dimension: 500,
    cohort: { n: 4, nMin: 3, colluders: 1 },
    maxUnitsPerStep: 1024,
    delta: 1e-5,
    target: { epsilon: 6 },
  });
  const budgets = plan.request.populations.map((population) => ({
    population: population.name,
    unit: population.unit,
    neighboring: plan.request.neighboring,
    epsilon: 8,
    delta: 1e-5,
  }));
  const ledger = await openLedger(`${dir}/ledger.jsonl`, { site: "mercy", budgets });
  const hash = planHash(plan);
  await ledger.commit({ planHash: hash, schedules: plan.events });
  for (let round = 1; round <= 30; round++) {
    const charges = plan.events.map(({ population, step }) => ({ population, event: step }));
    await ledger.charge({ planHash: hash, round, charges });
  }
  ledger.close();
  const html = renderHtml(buildReport({
    title: "Mercy hospital",
    plan,
    ledgers: [await readLedger(`${dir}/ledger.jsonl`)],
    unaccounted: [...UNACCOUNTED_RELEASES],
    groups: [{ population: "ecg", people: "person", maxUnits: 90 }],
    generatedAt: "2026-01-01T00:00:00.000Z",
  }));
  await Deno.remove(dir, { recursive: true });
  return html;
}

browserTest(
  "the privacy report renders in a browser without a request, an error or a horizontal scroll",
  async (browser) => {
    const html = await makeReport();
    for (const colorScheme of ["light", "dark"] as const) {
      for (const width of [1200, 420]) {
        const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
        const requests: string[] = [];
        const faults: string[] = [];
        page.on("request", (request) => requests.push(request.url()));
        page.on("console", (message) => faults.push(message.text()));
        page.on("pageerror", (error) => faults.push(error.message));
        await page.setContent(html);
        assert.deepEqual(requests, []);
        assert.deepEqual(faults, []);
        assert.match(
          await page.innerText("body"),
          /Mercy hospital[\s\S]*patient[\s\S]*Not covered by these numbers/,
        );
        assert.ok(await page.locator("svg").count() >= 2, "plots of epsilon and of the trade-off");
        const overflow = await page.evaluate(
          "document.documentElement.scrollWidth - document.documentElement.clientWidth",
        );
        assert.ok(Number(overflow) <= 1, `${colorScheme} ${width}: ${overflow} px too wide`);
        await page.close();
      }
    }
  },
);

browserTest(
  "text and background of the report contrast as WCAG AA asks, in both colour schemes",
  async (browser) => {
    const html = await makeReport();
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await browser.newPage({ colorScheme });
      await page.setContent(html);
      const worst = await page.evaluate<number>(CONTRAST_SCRIPT);
      assert.ok(worst >= 4.5, `${colorScheme}: contrast ${worst.toFixed(2)}`);
      await page.close();
    }
  },
);

/** Smallest WCAG 2.2 contrast ratio between any text and its nearest opaque background. */
const CONTRAST_SCRIPT = `(() => {
  const parse = (c) => (c.match(/[\\d.]+/g) ?? []).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const background = (e) => {
    for (let n = e; n; n = n.parentElement) {
      const c = parse(getComputedStyle(n).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  };
  let worst = 21;
  for (const e of document.querySelectorAll("body *")) {
    if (["title", "desc", "style"].includes(e.localName)) continue;
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim() !== "")) continue;
    const style = getComputedStyle(e);
    const colour = e instanceof SVGElement ? style.fill : style.color;
    if (colour === "none") continue;
    const [a, b] = [luminance(parse(colour)), luminance(background(e))];
    worst = Math.min(worst, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return worst;
})()`;
