/** The program behind `deno task bench paper --tune`; it runs without permission to read the test part. */
import { parsePaperOptions } from "./_options.ts";
import { tune } from "./_tune.ts";

await tune(parsePaperOptions(Deno.args));
Deno.exit(0);
