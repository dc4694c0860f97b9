import { join } from "node:path";

/** How a command ended on a fresh machine. */
export interface Ended {
  /** The command, as it was typed. */
  readonly command: string;
  /** Exit status. */
  readonly code: number;
  /** Wall-clock time, seconds. */
  readonly seconds: number;
  /** What it wrote, stdout and stderr together. */
  readonly output: string;
  /** Size of the home folder afterwards, with everything that was downloaded into it, bytes. */
  readonly homeBytes: number;
}

/** What a newcomer has: a clone of the last commit, an empty home, `npx`, and the programs of the system. */
export class FreshMachine {
  private constructor(
    /** Folder of the clone. */
    readonly project: string,
    private readonly box: string,
    private readonly environment: Readonly<Record<string, string>>,
  ) {}

  /**
   * Makes one. Deno is not on its path, and nothing of this user's caches can be seen from it.
   * @param repository whose last commit is cloned
   * @param kept variables of this process's environment that are passed on
   */
  static async make(repository: string, kept: readonly string[]): Promise<FreshMachine> {
    const box = await Deno.makeTempDir({ prefix: "fedkim-fresh-" });
    const project = join(box, "project");
    await Deno.mkdir(join(box, "home"));
    await Deno.mkdir(join(box, "bin"));
    for (const name of ["node", "npm", "npx"]) {
      await Deno.symlink(await pathOf(name), join(box, "bin", name));
    }
    await git("clone", "-q", repository, project);
    const passed = kept.flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value] as const];
    });
    return new FreshMachine(project, box, {
      HOME: join(box, "home"),
      // What Debian gives a login; only /usr/local is left out, where a Deno may be.
      PATH: [join(box, "bin"), "/usr/sbin", "/usr/bin", "/sbin", "/bin"].join(":"),
      LANG: "C.UTF-8",
      ...Object.fromEntries(passed),
    });
  }

  /** Types a command into a shell in the clone. */
  async run(command: string): Promise<Ended> {
    const log = join(this.box, "log");
    const start = performance.now();
    const { code } = await new Deno.Command("bash", {
      args: ["-c", `{ ${command}\n} >"$0" 2>&1`, log],
      cwd: this.project,
      stdin: "null",
      clearEnv: true,
      env: this.environment,
    }).output();
    const seconds = (performance.now() - start) / 1000;
    return {
      command,
      code,
      seconds,
      output: await Deno.readTextFile(log),
      homeBytes: await this.#homeBytes(),
    };
  }

  /** Removes everything that it had. */
  async remove(): Promise<void> {
    await Deno.remove(this.box, { recursive: true });
  }

  async #homeBytes(): Promise<number> {
    const { stdout } = await new Deno.Command("du", { args: ["-sk", join(this.box, "home")] }).output();
    return 1024 * Number.parseInt(new TextDecoder().decode(stdout));
  }
}

/** The hash of a repository's last commit. */
export async function commitOf(repository: string): Promise<string> {
  return (await git("-C", repository, "rev-parse", "HEAD")).trim();
}

async function pathOf(program: string): Promise<string> {
  const { stdout, success } = await new Deno.Command("bash", { args: ["-c", `command -v ${program}`] })
    .output();
  if (!success) throw new Error(`${program} is not on the path; a newcomer needs it`);
  return new TextDecoder().decode(stdout).trim();
}

async function git(...args: string[]): Promise<string> {
  const { stdout, stderr, success } = await new Deno.Command("git", { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
