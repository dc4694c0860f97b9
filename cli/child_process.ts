import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ERROR_EXIT_STATUS, type ErrorCode, FedKimError } from "../src/formats/errors.ts";

/** A structured log line of a child. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly event: string };

/** Where a self-extracting binary tells the program inside it which file was started. */
export const EXECUTABLE_VARIABLE = "FEDKIM_EXECUTABLE";

/** The single binary that this program is; undefined where it runs from source. */
export function ownBinary(): string | undefined {
  return Deno.build.standalone ? Deno.execPath() : Deno.env.get(EXECUTABLE_VARIABLE);
}

/**
 * The command that runs this same program with other arguments: a single binary, or this source by Deno.
 * @param granted options of `deno run` with what it may do; a binary has its own
 */
export function selfCommand(args: readonly string[], granted: readonly string[]): Deno.Command {
  const binary = ownBinary();
  const main = fileURLToPath(new URL("./main.ts", import.meta.url));
  return new Deno.Command(binary ?? Deno.execPath(), {
    args: binary === undefined ? ["run", ...granted, main, ...args] : [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  });
}

/** A process of this program: its log goes to a file of the run folder, its log lines to a listener. */
export class ChildProcess {
  readonly #child: Deno.ChildProcess;
  #waiting = new Map<string, (line: LogLine) => void>();
  #running = true;
  #lastLine = "";
  /** Everything that it wrote to stdout; complete once it has exited. */
  stdout = "";
  /** Resolves to its exit code, after all output was read. */
  readonly exited: Promise<number>;

  /**
   * @param name who it is
   * @param command what to run, with piped output
   * @param run the run's folder; the log goes to `logs/<name>.log`
   * @param onLine receives each structured log line
   */
  constructor(
    readonly name: string,
    command: Deno.Command,
    run: string,
    private readonly onLine: (line: LogLine) => void = () => {},
  ) {
    this.#child = command.spawn();
    const log = join(run, "logs");
    Deno.mkdirSync(log, { recursive: true });
    this.exited = this.#follow(join(log, `${name}.log`));
  }

  /** The typed error that it ended with, if it printed one. */
  get error(): { readonly code: ErrorCode; readonly message: string } | undefined {
    const match = /^(\w+): (.*)$/.exec(this.#lastLine);
    if (match === null || !(match[1] in ERROR_EXIT_STATUS)) return undefined;
    return { code: match[1] as ErrorCode, message: match[2] };
  }

  /** The last line of its log. */
  get lastError(): string {
    return this.#lastLine;
  }

  /** Resolves at the first log line with this event. @throws FedKimError `NetworkError` after `seconds` */
  waitFor(event: string, seconds: number): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(
          new FedKimError("NetworkError", `The ${this.name} did not start within ${seconds} s.`, {
            found: this.#lastLine,
          }),
        );
      }, seconds * 1000);
      this.#waiting.set(event, (line) => {
        clearTimeout(timer);
        resolve(line);
      });
    });
  }

  /** Asks it to stop, if it still runs. */
  stop(): void {
    if (this.#running) this.#child.kill("SIGTERM");
    this.#running = false;
  }

  async #follow(path: string): Promise<number> {
    using log = await Deno.open(path, { create: true, append: true });
    const [, stdout, status] = await Promise.all([
      this.#readLog(log),
      new Response(this.#child.stdout).text(),
      this.#child.status.finally(() => this.#running = false),
    ]);
    this.stdout = stdout;
    return status.code;
  }

  async #readLog(log: Deno.FsFile): Promise<void> {
    const encoder = new TextEncoder();
    let rest = "";
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      await log.write(encoder.encode(text));
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.#take(line);
    }
    if (rest !== "") this.#take(rest);
  }

  #take(text: string): void {
    this.#lastLine = text;
    let line: LogLine;
    try {
      line = JSON.parse(text);
    } catch {
      return;
    }
    this.#waiting.get(line.event)?.(line);
    this.#waiting.delete(line.event);
    this.onLine(line);
  }
}
