/**
 * The experiments of the FedKIM paper on real data, as one command: `deno task bench paper [--quick] [--seeds N]
 * [--workers N] [--keep FILE]`. Federations in both modes and at three epsilons, each injected by FedKIM and its
 * baselines, with ablations; judged on trained and unseen tasks of the test part. Writes `docs/paper_experiments.md`.
 *
 * `--tune` is another program: it chooses settings on folds of the public part, and runs without permission to read the
 * test part. What it found stands in `bench/results/paper_tune.json`; what was chosen stands in `_settings.ts`.
 *
 * Federations are simulated in this process by the product's own plan, training, noise, decoding and server step;
 * masks and network are left out, which do not change a sum.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { FedKimError } from "../../src/formats/errors.ts";
import { readFederation } from "../../src/local/mod.ts";
import { runFrozen } from "./_frozen.ts";
import { parsePaperOptions } from "./_options.ts";
import { federationFolder } from "./_world.ts";

/** Runs the frozen experiments, or with `--tune` the studies. */
export async function runPaperBench(args: readonly string[]): Promise<void> {
  try {
    await run(args);
  } catch (error) {
    if (!(error instanceof FedKimError)) throw error;
    console.error(error.message);
    Deno.exit(2);
  }
}

async function run(args: readonly string[]): Promise<void> {
  const options = parsePaperOptions(args);
  if (!options.tune) return await runFrozen(options);
  const { test } = await readFederation(federationFolder());
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-read",
      `--deny-read=${test}`,
      "--allow-write",
      "--allow-env",
      "--allow-sys",
      fileURLToPath(new URL("./_tune_main.ts", import.meta.url)),
      ...args,
    ],
  }).spawn().status;
  if (code !== 0) Deno.exit(code);
}
