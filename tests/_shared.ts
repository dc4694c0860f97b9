import { existsSync } from "node:fs";

/** Folder with the shared vectors and data: FEDKIM_SHARED, or `../shared` beside the repository. */
const root = Deno.env.get("FEDKIM_SHARED") ?? new URL("../../shared", import.meta.url).pathname;

/** True when the run must not skip tests that need `part` (FEDKIM_REQUIRE is a comma-separated list). */
export function required(part: string): boolean {
  return (Deno.env.get("FEDKIM_REQUIRE") ?? "").split(",").includes(part);
}

/** The path of a shared file or folder, or undefined where it is not at hand. */
export function sharedPath(relative: string): string | undefined {
  const path = `${root}/${relative}`;
  return existsSync(path) ? path : undefined;
}

/** Registers a test that needs a shared file: skips visibly without it, or fails where "data" is required. */
export function sharedTest(
  name: string,
  relative: string,
  body: (path: string, t: Deno.TestContext) => void | Promise<void>,
): void {
  const path = sharedPath(relative);
  if (path !== undefined) {
    Deno.test(name, (t) => body(path, t));
  } else if (required("data")) {
    Deno.test(name, () => {
      throw new Error(`FEDKIM_REQUIRE contains "data", but ${relative} is not at hand`);
    });
  } else {
    Deno.test({ name: `${name} [skipped: shared ${relative} is not at hand]`, ignore: true, fn: () => {} });
  }
}
