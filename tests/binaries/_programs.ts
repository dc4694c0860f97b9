import { join } from "node:path";
import { makeProgram } from "../../tools/compile/program.ts";
import { RECIPES } from "../../tools/compile/recipes.ts";
import { tryRun } from "../../tools/compile/run.ts";
import { testNeeding } from "../_shared.ts";

/** Why no program can be made on this machine, if so: the bundler comes from the npm registry once. */
const missing: string | undefined = await (async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "probe.ts"), "console.log(1);\n");
    const { code, stderr } = await tryRun(Deno.execPath(), ["bundle", "--quiet", "probe.ts"], {
      cwd: folder,
    });
    return code === 0 ? undefined : `deno bundle does not run: ${stderr.trim().split("\n")[0]}`;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
})();

/** Registers a test that needs the programs, see `testNeeding` for "binaries". */
export function binariesTest(name: string, body: (t: Deno.TestContext) => Promise<void>): void {
  testNeeding("binaries", missing, name, body);
}

/** A folder that nobody may write to, with all programs, and what a fresh user has: a home and nothing else. */
export interface Installation {
  /** The read-only folder of the programs. */
  readonly folder: string;
  /** The user's empty home. */
  readonly home: string;
  /** Where the programs unpack themselves for this user, if they are of the self-extracting form. */
  readonly unpackedInto?: string;
  /** The only environment variables. */
  readonly env: Record<string, string>;
  /** Runs a program to its end. */
  run(program: string, ...args: string[]): ReturnType<typeof tryRun>;
  /** Starts a program. */
  spawn(program: string, ...args: string[]): Deno.ChildProcess;
  /** Removes everything. */
  remove(): Promise<void>;
}

/** Makes the programs as they are delivered here and installs them. */
export async function install(): Promise<Installation> {
  const root = await Deno.makeTempDir();
  const folder = join(root, "bin");
  const home = join(root, "home");
  await Deno.mkdir(folder);
  await Deno.mkdir(home);
  const forms: string[] = [];
  for (const recipe of RECIPES) {
    forms.push((await makeProgram(recipe, join(folder, recipe.name), "auto")).form);
  }
  await Deno.chmod(folder, 0o555);
  const env = { HOME: home, PATH: "/usr/bin:/bin" };
  return {
    folder,
    home,
    ...(forms.includes("self-extracting") ? { unpackedInto: join(home, ".cache/fedkim") } : {}),
    env,
    run: (program, ...args) => tryRun(join(folder, program), args, { cwd: folder, env, clearEnv: true }),
    spawn: (program, ...args) =>
      new Deno.Command(join(folder, program), {
        args,
        cwd: folder,
        env,
        clearEnv: true,
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn(),
    remove: async () => {
      await Deno.chmod(folder, 0o755);
      await Deno.remove(root, { recursive: true });
    },
  };
}
