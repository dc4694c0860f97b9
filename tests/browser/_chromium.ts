import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";
import { required } from "../_shared.ts";

const candidates = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executable = Deno.env.get("FEDKIM_CHROMIUM") ?? candidates.find((path) => existsSync(path));

/** Registers a test that needs Chromium: skips visibly without it, or fails where "browser" is required. */
export function browserTest(name: string, body: (browser: Browser) => Promise<void>): void {
  if (executable === undefined && !required("browser")) {
    Deno.test({ name: `${name} [skipped: no Chromium found]`, ignore: true, fn: () => {} });
    return;
  }
  // The browser's own process and sockets outlive a step of the event loop after close().
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn: () => withBrowser(body) });
}

async function withBrowser(body: (browser: Browser) => Promise<void>): Promise<void> {
  if (executable === undefined) {
    throw new Error(`FEDKIM_REQUIRE contains "browser", but no Chromium was found`);
  }
  const browser = await chromium.launch({ executablePath: executable, args: ["--no-sandbox"] });
  try {
    await body(browser);
  } finally {
    await browser.close();
  }
}
