/**
 * One target in a process of its own, so that a hang or a dead process names its input:
 * `child.ts GROUP TARGET SEED SECONDS FOLDER`. Writes `outcome.json` and, at a hang, `hang.bin` into the folder.
 *
 * @module
 */
import { EdgeCoverage } from "./edges.ts";
import { fuzz } from "./engine.ts";
import { keptBytes, readKept } from "./kept.ts";
import { removeScratch, targetsOf } from "./targets/mod.ts";
import { watch } from "./watch.ts";

/** Processor seconds that one input of at most 64 KiB may take: a report of epsilon 5e6 takes 10, coverage doubles it. */
const DEADLINE_SECONDS = 60;

const [group, name, seed, seconds, folder] = Deno.args;
const target = (await targetsOf(group)).find((one) => one.name === name);
if (target === undefined) throw new Error(`no target ${name}`);
const kept = keptBytes(await readKept(name));
const coverage = await EdgeCoverage.start(new URL("../../", import.meta.url).href);
const watcher = watch(`${folder}/hang.bin`, DEADLINE_SECONDS);
const outcome = await fuzz(target, {
  seed: Number(seed),
  inputs: Infinity,
  seconds: Number(seconds),
  coverage,
  kept,
  before: watcher.before,
});
watcher.stop();
coverage.stop();
const base64 = (input: Uint8Array) => input.toBase64();
await Deno.writeTextFile(
  `${folder}/outcome.json`,
  JSON.stringify({
    ...outcome,
    blocks: coverage.size,
    interesting: outcome.interesting.map(base64),
    findings: outcome.findings.map((one) => ({ ...one, input: base64(one.input) })),
  }),
);
await target.end?.();
removeScratch();
// Timers of parts under test must not keep the process.
Deno.exit(0);
