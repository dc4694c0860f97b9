/**
 * What an attacker gets: membership inference and gradient inversion on what the server sees with secure aggregation and
 * differential privacy on and off, malicious sites, repeated audits of sound settings and of broken builds, and the time
 * of the noise sampler. Real chest X-rays through the product's own functions; writes `bench/results/attacks.md`.
 *
 * `_canary_path.ts` is also what `tests/adversarial/privacy` runs with fixed seeds.
 *
 *     deno task bench attacks [--quick]
 *
 * @module
 */
import { cryptoRandomBytes } from "../../src/formats/random_bytes.ts";
import { auditBroken, auditSound } from "./_audits.ts";
import { invertGradients, stemCeiling } from "./_inversion.ts";
import { attackTraining, type MaliciousRow } from "./_malicious.ts";
import { attackMembership, type MembershipRow } from "./_membership.ts";
import { attacksPage } from "./_page.ts";
import { measureSamplerTiming } from "./_sampler_timing.ts";
import { loadWorld } from "./_world.ts";

/** Sizes of the whole bench, and of one that only shows that it runs. */
const SIZES = {
  whole: { runs: 8, inversions: 16, seeds: 2, sound: 3, broken: 59, draws: 300_000, batches: 2500 },
  quick: { runs: 1, inversions: 2, seeds: 1, sound: 1, broken: 1, draws: 20_000, batches: 100 },
} as const;

/**
 * `deno task bench attacks`.
 * @param flags `--quick` writes to stdout and measures next to nothing
 */
export async function runAttacksBench(flags: readonly string[] = []): Promise<void> {
  const quick = flags.includes("--quick");
  const size = SIZES[quick ? "quick" : "whole"];
  const root = new URL("../../", import.meta.url);
  const shared = Deno.env.get("FEDKIM_SHARED") ?? new URL("../shared", root).pathname;
  const started = performance.now();
  const note = (what: string): void =>
    console.error(`${Math.round((performance.now() - started) / 1000)} s: ${what}`);
  const timing = measureSamplerTiming(size.draws, size.batches, 1065);
  note("sampler timed");
  const world = await loadWorld(`${shared}/data/federated`);
  const inversion = await invertGradients(world, size.inversions, cryptoRandomBytes);
  note("gradients inverted");
  const malicious: MaliciousRow[] = [];
  for (const sites of [4, 10]) {
    malicious.push(...await attackTraining(world, sites, size.seeds, cryptoRandomBytes));
    note(`one of ${sites} sites malicious`);
  }
  const membership: MembershipRow[] = [];
  for (const epsilon of [undefined, 50, 8, 1]) {
    membership.push(...await attackMembership(world, epsilon, size.runs, cryptoRandomBytes));
    note(`membership at epsilon ${epsilon ?? "infinity"}`);
  }
  const audits = {
    sound: auditSound(size.sound, cryptoRandomBytes),
    broken: auditBroken(size.broken, cryptoRandomBytes),
  };
  note("audits repeated");
  const seconds = (performance.now() - started) / 1000;
  const figures = { membership, inversion, stem: stemCeiling(world), malicious, audits, timing, seconds };
  const page = attacksPage(figures);
  if (quick) console.log(page);
  else await Deno.writeTextFile(new URL("bench/results/attacks.md", root), page);
}

if (import.meta.main) await runAttacksBench(Deno.args);
