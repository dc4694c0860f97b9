/** What a command gave. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where and how a command runs. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** Only the given environment. */
  readonly clearEnv?: boolean;
}

/** Runs a command to its end and gives what it wrote. */
export async function tryRun(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    stdin: "null",
    ...options,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...options.env },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Runs a command that must succeed. @throws Error with what it said where it fails */
export async function run(command: string, args: readonly string[], options?: RunOptions): Promise<Finished> {
  const finished = await tryRun(command, args, options);
  if (finished.code === 0) return finished;
  throw new Error(`${command} ${args[0]} ended with exit status ${finished.code}:\n${finished.stderr}`);
}
