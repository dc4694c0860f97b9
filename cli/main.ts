import { parseArguments } from "./args.ts";
import { runCommand } from "./run_command.ts";

// Ends the process by itself: signal listeners and backends would keep it alive.
Deno.exit(await runCommand(parseArguments(Deno.args)));
