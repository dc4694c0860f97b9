import assert from "node:assert/strict";
import axe from "axe-core";
import type { BrowserContext, Page } from "playwright-core";
import {
  acceptInvite,
  dashboardLink,
  encodeInvite,
  EnrollmentBook,
  shareLedger,
} from "../../src/federation/mod.ts";
import { TestFederation } from "../e2e/_federation.ts";
import { withService } from "../federation/api/_service.ts";
import { browserTest } from "./_chromium.ts";
import { readPdf } from "./_pdf.ts";

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

/** Notes what the open page says of the steps, until all six are done or two minutes have passed. */
async function watch(page: Page, steps: Set<string>, phases: Set<string>): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (!steps.has("6 done of 6") && Date.now() < deadline) {
    steps.add((await page.textContent("#step"))!.trim());
    phases.add(await page.locator("dl.facts dd").nth(2).innerText());
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

browserTest(
  "the dashboard follows a real round live, keeps its policy, and has no barrier that axe finds",
  async (browser) => {
    const dir = await Deno.makeTempDir();
    const listen = { hostname: "127.0.0.1", port: 0, stayMs: 600_000 };
    const federation = await TestFederation.create(dir, 6, 30_000, undefined, { listen });
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
      // The steps go by while other pages are looked at.
      const watched = watch(page, steps, phases);
      await shareLedger(`${federation.dir}/sites/site-west`, new AbortController().signal);
      const report = await context.newPage();
      await report.goto(`${federation.url}/dashboard/report`);
      const reported = await report.innerText("body");
      assert.match(reported, /Not covered by these numbers/);
      assert.match(reported, /site-west\s+Set/, "the budgets that one site has stated");
      assert.match(reported, /site-west\t\d+\t\d+, [0-9a-f]{16}…\tits budgets, as of/);
      assert.match(reported, /site-south\t\d+\t\d+, [0-9a-f]{16}…\tnothing/);
      assert.deepEqual(await violations(report), []);
      await site.goto(`${federation.url}/dashboard/report`);
      assert.match(await site.innerText("body"), /site-west/);
      assert.doesNotMatch(await site.innerText("body"), /site-south|olga/);
      await site.getByRole("link", { name: "Back" }).click();
      await site.getByText("As this site has stated it").waitFor();
      if (screenshots !== undefined) {
        await site.screenshot({ path: `${screenshots}/site.png`, fullPage: true });
      }
      const printed = readPdf(await report.pdf({ preferCSSPageSize: true }));
      assert.ok(printed.pages > 1);
      for (const words of ["Federation test", "Ledgers that lie at the hospitals", "site-south"]) {
        assert.ok(printed.text.includes(words), `${words} is not in print`);
      }
      assert.doesNotMatch(printed.text, /Back/, "what only a screen can use is not printed");
      if (screenshots !== undefined) {
        await report.pdf({ path: `${screenshots}/report.pdf`, preferCSSPageSize: true });
      }
      await watched;
      assert.ok(
        await page.evaluate(() => (globalThis as unknown as { marker?: boolean }).marker),
        "never reloaded",
      );
      const live = [...steps].filter((text) => /^\d in progress of 6$/.test(text));
      assert.ok(live.length >= 2, `saw ${[...steps].join("; ")}`);
      assert.ok(phases.size >= 2, `saw ${[...phases].join("; ")}`);
      await page.locator("#stage", { hasText: "finished" }).waitFor({ timeout: 120_000 });
      for (const title of ["privacy", "learning-title", "gate"]) {
        const figures = page.locator(`section[aria-labelledby="${title}"] svg`);
        assert.equal(await figures.count(), 1, `${title} has come without a reload`);
      }
      const inks = await page.evaluate<string[]>(
        `[...document.querySelectorAll('section[aria-labelledby="gate"] text')].map((e) => getComputedStyle(e).fill)`,
      );
      const own = ["rgb(26, 26, 26)", "rgb(0, 0, 0)", "rgb(255, 255, 255)"];
      assert.deepEqual(inks.filter((ink) => !own.includes(ink)), [], "the heat map keeps its own contrasts");
      assert.match(await page.innerText('section[aria-labelledby="results"]'), /icu_shock\s+train\s+\d+/);
      const body = await page.innerText("main");
      for (const site of ["site-west", "site-midwest"]) assert.ok(body.includes(site));
      for (
        const fact of ["plan accepted", "fedkim/", "checkpoints/encoders.safetensors", "summed", "4 of 4"]
      ) {
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

      assert.match(readPdf(await page.pdf()).text, /Members[\s\S]*site-south[\s\S]*Audit log/);
      assert.deepEqual([...hosts], [new URL(federation.url).host]);
      // A page that has been open to the end has lost its server; nothing else may have been complained about.
      assert.deepEqual(complaints.filter((text) => !/Failed to load resource/.test(text)), []);
      federation.aggregator.kill("SIGTERM");
      const { code, log } = await done;
      assert.equal(code, 0, log);
    } finally {
      await federation.close();
    }
  },
);

browserTest(
  "behind a reverse proxy that puts the aggregator below a path, a member signs in, follows and signs out",
  async (browser) => {
    await withService(async ({ app, book }) => {
      // As nginx with `location /fed/ { proxy_pass http://aggregator/; }`.
      const proxy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request, info) => {
        const url = new URL(request.url);
        if (!url.pathname.startsWith("/fed/")) return new Response("another program", { status: 404 });
        url.pathname = url.pathname.slice("/fed".length);
        return app.fetch(new Request(url, request), info);
      });
      const base = `http://127.0.0.1:${(proxy.addr as Deno.NetAddr).port}/fed`;
      const state = await Deno.makeTempDir();
      await acceptInvite(state, encodeInvite(await book.invite("olga", base, "operator")));
      const context = await browser.newContext();
      const refused: string[] = [];
      context.on("response", (response) => {
        const { pathname } = new URL(response.url());
        if (!response.ok() && pathname !== "/favicon.ico") refused.push(`${response.status()} ${pathname}`);
      });
      const page = await signIn(context, state);
      assert.equal(page.url(), `${base}/dashboard`);
      await page.getByText(/^Live, as of/).waitFor();
      const width = await page.evaluate("getComputedStyle(document.body).maxWidth");
      assert.equal(width, "1216px", "the style sheet is there");
      await book.invite("late", base);
      await page.reload();
      await page.getByRole("rowheader", { name: "late", exact: true }).waitFor();
      assert.deepEqual(refused.filter((what) => !what.startsWith("303 ")), []);
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByText("This page opens with a key").waitFor();
      assert.equal(page.url(), `${base}/dashboard`);
      await context.close();
      await proxy.shutdown();
      await Deno.remove(state, { recursive: true });
    });
  },
);
