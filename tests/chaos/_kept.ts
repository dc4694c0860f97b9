import { root } from "../_fedkim.ts";
import type { Party } from "./_party.ts";

/** Characters of a log that are kept: a process that lives for hours writes more than anybody reads. */
const LOG_LENGTH = 200_000;

/** How a life of a process ended. */
export type End = { readonly killed: true } | { readonly killed: false; readonly code: number };

/** How a process is kept alive. */
export interface KeptOptions {
  /** Module and arguments. */
  readonly args: readonly string[];
  /** Where it kills itself: one entry for each start, none after the last. */
  readonly kills: readonly string[];
  /** Receives each line of its stderr. */
  readonly onLine: (line: string) => void;
  /** Called after each of its lives; true where it shall be started again. */
  readonly again: (end: End) => Promise<boolean>;
}

/** A process under a supervisor that starts it again as often as it is told to. */
export class Kept implements Party {
  log = "";
  deaths = 0;
  readonly ended: Promise<number | undefined>;
  #child: Deno.ChildProcess | undefined;
  #gone: Promise<unknown> = Promise.resolve();
  #closing = false;

  /** Starts it. */
  constructor(private readonly options: KeptOptions) {
    this.ended = this.#live();
  }

  /** Ends its present life as a power cut would, and waits until it is gone. */
  async kill(): Promise<void> {
    try {
      this.#child?.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#gone;
  }

  /** Ends it for good. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.kill();
    await this.ended;
  }

  async #live(): Promise<number | undefined> {
    for (let life = 0;; life++) {
      const { signal, code } = await this.#once(this.options.kills[life]);
      if (this.#closing) return undefined;
      const killed = signal === "SIGKILL";
      if (killed) {
        this.deaths++;
        this.log += "[killed]\n";
      }
      const again = await this.options.again(killed ? { killed } : { killed, code });
      if (!again || this.#closing) return killed ? undefined : code;
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
    this.#gone = child.status;
    let rest = "";
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      this.log = (this.log + text).slice(-LOG_LENGTH);
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      lines.forEach(this.options.onLine);
    }
    return await child.status;
  }
}
