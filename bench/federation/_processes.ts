/** A process of the bench that speaks one JSON document a line. */
export interface Speaker {
  /** Its process id. */
  readonly pid: number;
  /** The next line with this event. */
  hear<T>(event: string): Promise<T>;
  /** Tells it to go on. */
  tell(word: string): Promise<void>;
  /** Waits for its end. @throws Error where it failed */
  end(): Promise<void>;
  /** Ends it where it still runs. */
  kill(): Promise<void>;
}

/**
 * Starts a file of this folder as a process of its own.
 * @param file its name
 * @param args what it is told
 * @param env environment variables beside those of this process
 */
export function speak(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Speaker {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", new URL(file, import.meta.url).pathname, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
    env: { NO_COLOR: "1", ...env },
  }).spawn();
  const input = child.stdin.getWriter();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const line = async (): Promise<string> => {
    for (;;) {
      const end = text.indexOf("\n");
      if (end >= 0) {
        const found = text.slice(0, end);
        text = text.slice(end + 1);
        return found;
      }
      const { value, done } = await lines.read();
      if (done) throw new Error(`${file} ended early`);
      text += value;
    }
  };
  return {
    pid: child.pid,
    async hear<T>(event: string) {
      for (;;) {
        const heard = JSON.parse(await line());
        if (heard.event === event) return heard as T;
      }
    },
    tell: (word) => input.write(new TextEncoder().encode(`${word}\n`)),
    async end() {
      const { code } = await child.status;
      if (code !== 0) throw new Error(`${file} ended with exit code ${code}`);
    },
    async kill() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await child.status;
      await input.close().catch(() => {});
      await lines.cancel().catch(() => {});
    },
  };
}

/** Says something to the process that started this one. */
export function say(event: string, facts: Readonly<Record<string, unknown>> = {}): void {
  console.log(JSON.stringify({ event, ...facts }));
}

/** Words of the process that started this one, a line each. */
export async function* told(): AsyncGenerator<string> {
  let text = "";
  for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    text += piece;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      yield text.slice(0, end);
      text = text.slice(end + 1);
    }
  }
}
