import assert from "node:assert/strict";
import { type Place, VERB_PERMISSIONS, verbFlags } from "../../../cli/verb_permissions.ts";
import { ERROR_EXIT_STATUS } from "../../../src/formats/errors.ts";
import { root } from "../../_fedkim.ts";

/** Statuses of a verb that lacks a permission; the second is that of a tensor library that cannot read its WASM file. */
const REFUSALS: readonly number[] = [ERROR_EXIT_STATUS.ConfigError, ERROR_EXIT_STATUS.BackendError];

/** How a verb ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts a verb as a user with a bare environment, with exactly its own permissions or with one fewer. */
export class LeastPrivilege {
  /** Everything that any of them printed, for the search for secrets. */
  readonly printed: string[] = [];
  /** Arguments of every process. */
  readonly commands: string[] = [];
  /** Verbs that ran to a good end with exactly their permissions. */
  readonly ran: Set<string> = new Set();

  /**
   * @param places where the places of the table lie
   * @param aggregator `HOST:PORT`
   */
  constructor(readonly places: Readonly<Record<Place, readonly string[]>>, readonly aggregator: string) {}

  /** Starts a verb. @param verb its name in the table, which begins with its words */
  spawn(
    verb: string,
    args: readonly string[],
    without?: "net" | "read" | "write" | "sys",
    places = this.places,
  ): Deno.ChildProcess {
    const flags = verbFlags(VERB_PERMISSIONS[verb], places, this.aggregator, without);
    const words = verb.split(" ").filter((word) => !word.startsWith("--") || verb === word);
    const all = ["run", "--no-check", ...flags, "cli/main.ts", ...words, ...args];
    this.commands.push(all.join(" "));
    return new Deno.Command(Deno.execPath(), {
      args: all,
      cwd: root,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      clearEnv: true,
      env: {
        PATH: Deno.env.get("PATH")!,
        HOME: Deno.env.get("HOME")!,
        NO_COLOR: "1",
        DENO_NO_UPDATE_CHECK: "1",
      },
    }).spawn();
  }

  /** What a started verb ends with. */
  async ended(child: Deno.ChildProcess): Promise<Ended> {
    const { code, stdout, stderr } = await child.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    this.printed.push(text(stdout), text(stderr));
    return { code, stdout: text(stdout), stderr: text(stderr) };
  }

  /** Runs a verb, which must succeed, and gives its stdout. */
  async run(verb: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.ended(this.spawn(verb, args));
    assert.equal(code, 0, `${verb}: ${stderr || stdout}`);
    this.ran.add(verb);
    return stdout.trim();
  }

  /** The same verb with one permission fewer must fail at once, and say which one and how to grant it. */
  async refused(verb: string, without: "net" | "read" | "write" | "sys", ...args: string[]): Promise<void> {
    const { code, stdout, stderr } = await this.ended(this.spawn(verb, args, without));
    assert.notEqual(code, 0, `${verb} does without --allow-${without}: ${stdout}`);
    assert.ok(REFUSALS.includes(code), `${verb} without ${without} ends with ${code}: ${stderr}`);
    assert.match(`${stdout}${stderr}`, new RegExp(`--allow-${without}`), `${verb} without ${without}`);
  }
}
