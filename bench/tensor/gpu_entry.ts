/**
 * The tensor benchmarks as one program for a GPU host without network: bundle this file, copy it there and run it with
 * `--out=DIR` for the pages, `--ceiling=FILE` for a comparison, `--large` for the large decoder alone or `--all` for
 * both.
 */
import { runLongTensorBench, runTensorBench } from "./mod.ts";

const flags = Deno.args.some((flag) => flag.startsWith("--out=")) ? Deno.args : [...Deno.args, "--out=."];
if (!flags.includes("--large")) await runTensorBench(flags);
if (flags.includes("--large") || flags.includes("--all")) await runLongTensorBench(flags);
Deno.exit(0);
