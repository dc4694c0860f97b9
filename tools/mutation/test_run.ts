/** How a test file ended on a mutant. */
export type Outcome = "green" | "red" | "timeout";

/** A run of a test file. */
export interface TestRun {
  /** How it ended. */
  readonly outcome: Outcome;
  /** CPU that it took, which no other work on the machine changes much. */
  readonly cpuSeconds: number;
}

/** Limits of one run of one test file. */
export interface RunLimits {
  /** Seconds of CPU: an endless loop ends by this one, however busy the machine is. */
  readonly cpuSeconds: number;
  /** Seconds by the clock: something that waits for ever ends by this one. */
  readonly wallSeconds: number;
}

/**
 * Runs one test file of a tree without type checks, first failure ends it. The shell's `ulimit` and `timeout` of the
 * system's core utilities keep the limits, for the processes that a test starts too.
 */
export async function runTestFile(
  root: string,
  test: string,
  { cpuSeconds, wallSeconds }: RunLimits,
  shared: string,
  more: readonly string[] = [],
): Promise<TestRun> {
  const deno = [Deno.execPath(), "test", "-A", "--no-check", "--fail-fast", "--quiet", ...more, test];
  const { code, signal, stderr } = await new Deno.Command("bash", {
    args: [
      "-c",
      'ulimit -t "$0"; TIMEFORMAT="%U %S"; time timeout -k 2 "$@" > /dev/null 2>&1',
      `${cpuSeconds}`,
      `${wallSeconds}`,
      ...deno,
    ],
    cwd: root,
    env: { NO_COLOR: "1", FEDKIM_SHARED: shared, DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  // Whoever stops the tool stops the test too: that says nothing about the mutant.
  if (code === 143 || code === 130 || signal === "SIGTERM" || signal === "SIGINT") {
    throw new Error(`${test} was stopped from outside`);
  }
  const [user, system] = new TextDecoder().decode(stderr).trim().split("\n").at(-1)!.split(" ").map(Number);
  return { outcome: outcomeOf(code, signal), cpuSeconds: user + system };
}

function outcomeOf(code: number, signal: Deno.Signal | null): Outcome {
  if (code === 0) return "green";
  // 124 is the clock, 137 a kill; 152 is SIGXCPU, the CPU limit.
  return code === 124 || code === 137 || code === 152 || signal !== null ? "timeout" : "red";
}
