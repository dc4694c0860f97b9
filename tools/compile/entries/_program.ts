import { parseArguments } from "../../../cli/args.ts";
import { runCommand } from "../../../cli/run_command.ts";

/** What a program that offers some of the verbs needs to know. */
export interface Program {
  /** Its file name. */
  readonly name: string;
  /** The verb that runs when the arguments begin with an option. */
  readonly verb: string;
  /** Every verb that it offers. */
  readonly verbs: readonly string[];
}

/** Options that concern the program, not its verb. */
const GENERAL = ["--version", "completion", "--completion"];

/**
 * The arguments as `fedkim` takes them.
 *
 * @returns them, or undefined for a verb that this program does not offer
 */
export function verbArguments(program: Program, args: readonly string[]): string[] | undefined {
  const [first] = args;
  if (first === undefined || (first.startsWith("-") && !GENERAL.includes(first))) {
    return [program.verb, ...args];
  }
  return program.verbs.includes(first) || GENERAL.includes(first) ? [...args] : undefined;
}

/** Runs a program that offers some of the verbs, and ends the process. */
export async function runProgram(program: Program): Promise<never> {
  const args = verbArguments(program, Deno.args);
  if (args === undefined) {
    console.error(
      `${program.name} has no verb "${Deno.args[0]}". It offers: ${program.verbs.join(", ")}; ` +
        `without a verb it runs "${program.verb}". Use fedkim for everything else.`,
    );
    Deno.exit(2);
  }
  Deno.exit(await runCommand(parseArguments(args)));
}
