import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { root } from "../_fedkim.ts";
import { testNeeding } from "../_shared.ts";

/** Whether a program is on the path. */
export const found = (program: string): boolean =>
  (Deno.env.get("PATH") ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));

/** A shell in a terminal of 120 columns, in which `fedkim` is this program. */
export interface Terminal {
  /** A folder of its own, where the shell is. */
  readonly dir: string;
  /** Types text or presses keys, by tmux's names (`Enter`, `Tab`, `C-c`). */
  press(...keys: string[]): Promise<void>;
  /** What is on the screen, with colours as escape sequences where `colours` is set. */
  screen(colours?: boolean): Promise<string>;
  /** Looks at the screen until it fits. */
  until(pattern: RegExp, what: string): Promise<string>;
}

/** Registers a test in a real terminal with some programs more, see `testNeeding` for "terminal". */
export function terminalTest(
  name: string,
  body: (terminal: Terminal) => Promise<void>,
  ...programs: readonly string[]
): void {
  const absent = ["tmux", ...programs].find((program) => !found(program));
  testNeeding("terminal", absent && `no ${absent} was found`, name, () => inTerminal(body));
}

const LOOKS = 600;
const PAUSE_MS = 200;

async function inTerminal(body: (terminal: Terminal) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const call = async (...args: string[]): Promise<string> => {
    const output = await new Deno.Command("tmux", {
      args: ["-S", join(dir, "socket"), ...args],
      env: { TERM: "xterm-256color", LANG: "C.UTF-8" },
    }).output();
    assert.ok(output.success, new TextDecoder().decode(output.stderr));
    return new TextDecoder().decode(output.stdout);
  };
  const script =
    `#!/bin/sh\nexec "${Deno.execPath()}" run -A --no-prompt --no-check "${root}cli/main.ts" "$@"\n`;
  await Deno.writeTextFile(join(dir, "fedkim"), script, { mode: 0o755 });
  const shell = `env -u NO_COLOR PS1='ready> ' PATH='${dir}':"$PATH" DENO_NO_UPDATE_CHECK=1 bash --norc`;
  await call("-u", "-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", "-c", dir, shell);
  const screen = (colours = false) => call("capture-pane", "-p", ...(colours ? ["-e"] : []));
  try {
    await body({
      dir,
      screen,
      press: async (...keys) => void await call("send-keys", "--", ...keys),
      until: async (pattern, what) => {
        for (let look = 0; look < LOOKS; look++) {
          const text = await screen();
          if (pattern.test(text)) return text;
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        }
        throw new Error(`the terminal never showed ${what}:\n${await screen()}`);
      },
    });
  } finally {
    await call("kill-server");
    await Deno.remove(dir, { recursive: true });
  }
}
