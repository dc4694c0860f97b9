import assert from "node:assert/strict";
import axe from "axe-core";
import type { BrowserContext, Page } from "playwright-core";
import { acceptInvite, dashboardLink, encodeInvite, EnrollmentBook } from "../../src/federation/mod.ts";
import { TestFederation } from "../e2e/_federation.ts";
import { browserTest } from "./_chromium.ts";

/** Where screenshots go, to be looked at; nowhere by default. */
const screenshots = Deno.env.get("FEDKIM_SCREENSHOTS");

/** A new member of a running federation; returns the state folder. */
async function member(
  federation: TestFederation,
  name: string,
  role: "operator" | "auditor",
): Promise<string> {
  const state = `${federation.dir}/members/${name}`;
  const book = await EnrollmentBook.open(`${federation.dir}/aggregator`);
  await acceptInvite(state, encodeInvite(await book.invite(name, federation.url, role)));
  await book.close();
  return state;
}

async function signIn(context: BrowserContext, state: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(await dashboardLink(state, new AbortController().signal));
  await page.getByRole("button", { name: "Open the dashboard" }).click();
  await page.waitForURL("**/dashboard");
  return page;
}

/** Violations of WCAG 2 A and AA on a page; the page's policy stops injected scripts, so axe runs as the debugger. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    const result = await (globalThis as unknown as { axe: typeof axe }).axe.run({
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    return result.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" | ")}`);
  });
  return found;
}

browserTest(
  "the dashboard follows a real round live, keeps its policy, and has no barrier that axe finds",
  async (browser) => {
    const federation = await TestFederation.create(await Deno.makeTempDir(), 6, 30_000);
    try {
      const state = await member(federation, "olga", "operator");
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
      const complaints: string[] = [];
      const hosts = new Set<string>();
      context.on("console", (message) => {
        if (message.type() === "error") complaints.push(message.text());
      });
      context.on("request", (request) => hosts.add(new URL(request.url()).host));
      const page = await signIn(context, state);
      await page.evaluate(() => (globalThis as unknown as { marker: boolean }).marker = true);
      assert.match((await page.textContent("#stage"))!, /pre-training|waiting/);
      const site = await signIn(await browser.newContext(), `${federation.dir}/sites/site-west`);
      assert.doesNotMatch(await site.innerText("body"), /site-south|site-midwest|olga/);
      assert.match(await site.innerText("main"), /Privacy spent here/);
      assert.deepEqual(await violations(site), []);

      const plain = await signIn(await browser.newContext({ javaScriptEnabled: false }), state);
      assert.match(await plain.innerText("main"), /Audit log/);
      await plain.keyboard.press("Tab");
      assert.equal(await plain.locator(":focus").innerText(), "Skip to the content");

      federation.start();

      const steps = new Set<string>();
      const phases = new Set<string>();
      const done = federation.finished();
      await page.locator("#step", { hasText: "in progress" }).waitFor({ timeout: 60_000 });
      const report = await context.newPage();
      await report.goto(`${federation.url}/dashboard/report`);
      assert.match(await report.innerText("body"), /Not covered by these numbers/);
      const deadline = Date.now() + 120_000;
      while (!steps.has("6 done of 6") && Date.now() < deadline) {
        steps.add((await page.textContent("#step"))!.trim());
        phases.add(await page.locator("dl.facts dd").nth(2).innerText());
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
      assert.ok(
        await page.evaluate(() => (globalThis as unknown as { marker?: boolean }).marker),
        "never reloaded",
      );
      const live = [...steps].filter((text) => /^\d in progress of 6$/.test(text));
      assert.ok(live.length >= 2, `saw ${[...steps].join("; ")}`);
      assert.ok(phases.size >= 2, `saw ${[...phases].join("; ")}`);
      await page.waitForSelector("text=evaluation", { timeout: 60_000 });
      const body = await page.innerText("main");
      for (const site of ["site-west", "site-midwest"]) assert.ok(body.includes(site));
      for (const fact of ["plan accepted", "fedkim/", "checkpoints/encoders.safetensors", "summed"]) {
        assert.ok(body.includes(fact), fact);
      }
      for (const scheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme: scheme });
        assert.deepEqual(await violations(page), []);
        if (screenshots !== undefined) {
          await page.screenshot({ path: `${screenshots}/dashboard-${scheme}.png`, fullPage: true });
        }
      }
      await page.setViewportSize({ width: 380, height: 800 });
      const overflow = await page.locator("html").evaluate(({ scrollWidth, clientWidth }) =>
        scrollWidth - clientWidth
      );
      assert.ok(overflow <= 1, `${overflow} pixels wider than a phone`);
      if (screenshots !== undefined) await page.screenshot({ path: `${screenshots}/dashboard-phone.png` });

      assert.deepEqual([...hosts], [new URL(federation.url).host]);
      // A page that has been open to the end has lost its server; nothing else may have been complained about.
      assert.deepEqual(complaints.filter((text) => !/Failed to load resource/.test(text)), []);
      const { code, log } = await done;
      assert.equal(code, 0, log);
    } finally {
      await federation.close();
    }
  },
);
