import assert from "node:assert/strict";
import { join } from "node:path";
import { serveExample } from "../../examples/secure_sum_browser/serve.ts";
import { tryRun } from "../../tools/compile/run.ts";
import { root } from "../_fedkim.ts";
import { browserTest } from "../browser/_chromium.ts";

/** What an example prints, run as its first line says. */
async function example(name: string): Promise<string> {
  const path = `examples/${name}.ts`;
  const command = /`deno (run [^`]*)`/.exec(await Deno.readTextFile(join(root, path)))![1];
  assert.ok(command.endsWith(path));
  const { code, stdout, stderr } = await tryRun(Deno.execPath(), command.split(" "), { cwd: root });
  assert.equal(code, 0, stderr);
  return stdout;
}

Deno.test("accounting_only needs no permission, and its answers agree with each other", async () => {
  const out = await example("accounting_only");
  const [, pld, rdp] = /epsilon <= ([\d.]+) \(PLD\), ([\d.]+) \(RDP\)/.exec(out)!;
  assert.ok(Number(pld) < Number(rdp), "PLD is tighter");
  const [, sigma] = /noise multiplier ([\d.]+)/.exec(out)!;
  const [, steps] = /sigma 1\.1: (\d+) steps/.exec(out)!;
  // Epsilon 3 is less than sigma 1.1 gives for 1000 steps: it takes more noise, or fewer steps.
  assert.ok(Number(pld) > 3 && Number(sigma) > 1.1 && Number(steps) < 1000);
});

Deno.test("own_strategy learns the line from noised secure sums within its epsilon", async () => {
  const out = await example("own_strategy");
  const [, epsilon] = /epsilon ([\d.]+)/.exec(out)!;
  const [, slope, offset] = /learned y = (-?[\d.]+) x \+ (-?[\d.]+)/.exec(out)!;
  assert.ok(Number(epsilon) <= 4);
  // The noise of the mean of a late step is about 0.03; 0.4 is far outside of it.
  assert.ok(Math.abs(Number(slope) - 2) < 0.4 && Math.abs(Number(offset) + 1) < 0.4, out);
});

Deno.test("custom_encoder trains with a text table of its own and says which layers sites share", async () => {
  const out = await example("custom_encoder");
  assert.match(out, /encoder\.image\.patch +dense/);
  const scores = [...out.matchAll(/(\w+): AUROC ([\d.]+)/g)];
  assert.deepEqual(scores.map(([, task]) => task).toSorted(), ["cxr_pneumonia", "icu_mortality"]);
  for (const [, , auroc] of scores) assert.ok(Number(auroc) >= 0 && Number(auroc) <= 1);
});

browserTest("the page adds three numbers in a browser, and no upload shows one of them", async (browser) => {
  const stop = new AbortController();
  const server = await serveExample(0, stop.signal);
  const page = await browser.newPage();
  try {
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    const requests: string[] = [];
    page.on("request", (request) => requests.push(new URL(request.url()).host));
    await page.goto(`http://127.0.0.1:${server.addr.port}/`);
    const numbers = [123456, 654321, 7];
    for (const [i, number] of numbers.entries()) {
      await page.locator("input").nth(i).fill(String(number));
    }
    const uploads = new Set<string>();
    for (let round = 0; round < 2; round++) {
      await page.locator("#sum").evaluate((element) => element.textContent = "");
      await page.getByRole("button", { name: "Add" }).click();
      await page.locator("#sum").filter({ hasText: /\d/ }).waitFor();
      assert.equal(await page.locator("#sum").textContent(), String(123456 + 654321 + 7));
      const upload = (await page.locator("#upload").textContent())!;
      uploads.add(upload);
      assert.ok(upload.length > 8 && !upload.includes("40e20100"), "123456 as a little-endian word");
    }
    assert.equal(uploads.size, 2, "the same number is masked differently every time");
    assert.deepEqual(faults, []);
    assert.deepEqual([...new Set(requests)], [`127.0.0.1:${server.addr.port}`]);
  } finally {
    await page.close();
    stop.abort();
    await server.finished;
  }
});
