import { VERSION } from "../../src/formats/version.ts";
import { tryRun } from "./run.ts";

/**
 * Starts a finished file as a fresh user would: an empty home, nothing else in the environment.
 *
 * @returns undefined where it answers `--version` with our version, otherwise what is wrong
 */
export async function smokeFault(file: string): Promise<string | undefined> {
  const home = await Deno.makeTempDir();
  try {
    const { code, stdout, stderr } = await tryRun(file, ["--version"], {
      cwd: home,
      env: { HOME: home, PATH: "/usr/bin:/bin" },
      clearEnv: true,
    });
    if (code === 0 && stdout.trim() === VERSION) return undefined;
    return `"--version" ended with exit status ${code} and printed ${
      JSON.stringify((stdout + stderr).slice(0, 300))
    }`;
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}
