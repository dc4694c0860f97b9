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

/**
 * Registers a test that needs something which a machine may lack: skips visibly where it is absent, or fails where
 * FEDKIM_REQUIRE names the part.
 * @param part name in FEDKIM_REQUIRE
 * @param absent why the test cannot run here, such as "no Chromium was found"; undefined where it can
 */
export function testNeeding(
  part: string,
  absent: string | undefined,
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
  sanitizers: Pick<Deno.TestDefinition, "sanitizeOps" | "sanitizeResources"> = {},
): void {
  if (absent === undefined) {
    Deno.test({ ...sanitizers, name, fn });
  } else if (required(part)) {
    Deno.test(name, () => {
      throw new Error(`FEDKIM_REQUIRE contains "${part}", but ${absent}`);
    });
  } else {
    Deno.test({ name: `${name} [skipped: ${absent}]`, ignore: true, fn: () => {} });
  }
}

/** Registers a test that needs a shared file, see {@link testNeeding} for "data". */
export function sharedTest(
  name: string,
  relative: string,
  body: (path: string, t: Deno.TestContext) => void | Promise<void>,
): void {
  const path = sharedPath(relative);
  const absent = path === undefined ? `shared ${relative} is not at hand` : undefined;
  testNeeding("data", absent, name, (t) => body(path!, t));
}
