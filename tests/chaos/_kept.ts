import { root } from "../_fedkim.ts";
import { ERROR_EXIT_STATUS } from "../../src/formats/errors.ts";

/** How a process is kept alive. */
export interface KeptOptions {
  /** Its name, for messages. */
  readonly name: string;
  /** Module and arguments. */
  readonly args: readonly string[];
  /** Where it kills itself: one entry for each start, none after the last. */
  readonly kills: readonly string[];
  /** Receives each line of its stderr. */
  readonly onLine: (line: string) => void;
  /** Called after such a death; false where it shall not be started again. */
  readonly onKilled: () => Promise<boolean>;
}

/** A process that is started again whenever it dies by SIGKILL, or ends because its database does not answer. */
export class Kept {
  /** What all of its lives wrote to stderr. */
  log = "";
  /** Times that it died by SIGKILL. */
  deaths = 0;
  /** Exit status of its last life; undefined where it was not started again after SIGKILL. */
  readonly ended: Promise<number | undefined>;
  #child: Deno.ChildProcess | undefined;
  #closing = false;

  /** Starts it. */
  constructor(private readonly options: KeptOptions) {
    this.ended = this.#live();
  }

  /** Ends its present life as a power cut would. */
  kill(): void {
    try {
      this.#child?.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  }

  /** Ends it for good. */
  async close(): Promise<void> {
    this.#closing = true;
    this.kill();
    await this.ended;
  }

  async #live(): Promise<number | undefined> {
    for (let life = 0;; life++) {
      const status = await this.#once(this.options.kills[life]);
      if (this.#closing) return undefined;
      if (status.signal === "SIGKILL") {
        this.deaths++;
        this.log += "[killed]\n";
      } else if (status.code !== ERROR_EXIT_STATUS.StoreError) return status.code;
      if (!(await this.options.onKilled()) || this.#closing) return undefined;
    }
  }

  async #once(kill: string | undefined): Promise<Deno.CommandStatus> {
    const preload = kill === undefined ? [] : ["--preload", "tests/chaos/_kill_preload.ts"];
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-prompt", ...preload, ...this.options.args],
      cwd: root,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", FEDKIM_CHAOS: kill ?? "" },
    }).spawn();
    this.#child = child;
    let rest = "";
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      this.log += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      lines.forEach(this.options.onLine);
    }
    return await child.status;
  }
}
