import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";
import { testNeeding } from "../_shared.ts";

const candidates = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executable = Deno.env.get("FEDKIM_CHROMIUM") ?? candidates.find((path) => existsSync(path));

/** Registers a test that needs Chromium, see `testNeeding` for "browser". */
export function browserTest(name: string, body: (browser: Browser) => Promise<void>): void {
  const absent = executable === undefined ? "no Chromium was found" : undefined;
  // The browser's own process and sockets outlive a step of the event loop after close().
  const sanitizers = { sanitizeOps: false, sanitizeResources: false };
  testNeeding("browser", absent, name, () => withBrowser(executable!, body), sanitizers);
}

async function withBrowser(executablePath: string, body: (browser: Browser) => Promise<void>): Promise<void> {
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    await body(browser);
  } finally {
    await browser.close();
  }
}
