import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { testNeeding } from "../_shared.ts";
import { type BridgeFixture, makeFixture } from "./_fixture.ts";

/** The interpreter that has the bridge's packages; the product itself never needs one. */
export const PYTHON = Deno.env.get("FEDKIM_PYTHON");

/** Folder of the bridge. */
export const BRIDGE = fileURLToPath(new URL("../../bridge", import.meta.url));

/** What a run of Python gave. */
export interface PythonResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the interpreter in the bridge's folder. */
export async function python(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<PythonResult> {
  const { code, stdout, stderr } = await new Deno.Command(PYTHON ?? "python3", {
    args: [...args],
    cwd: BRIDGE,
    stdin: "null",
    env: { OMP_NUM_THREADS: "1", FEDKIM_DENO: Deno.execPath(), ...env },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Runs a verb of the bridge and gives its standard output; fails with its standard error. */
export async function bridge(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await python(["-m", "fedkim_bridge", ...args]);
  if (code === 0) return stdout;
  throw new Error(`fedkim_bridge ${args.join(" ")} ended with ${code}: ${stderr}`);
}

/** Registers a test that needs the interpreter, see `testNeeding` for "python". */
export function pythonTest(name: string, fn: (t: Deno.TestContext) => Promise<void>): void {
  testNeeding("python", PYTHON === undefined ? "FEDKIM_PYTHON names no interpreter" : undefined, name, fn);
}

/** Runs a test body with the bridge's fixture, in a folder of its own. */
export async function withFixture(
  body: (fixture: BridgeFixture, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const fixture = await makeFixture(folder);
    await Deno.writeTextFile(join(folder, "fixture.json"), JSON.stringify(fixture));
    await body(fixture, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
