import assert from "node:assert/strict";
import { AuditLog, RUN_FILES, SITE_FILES } from "../../src/federation/mod.ts";
import { readWeights } from "../../src/federation/weights_file.ts";
import { readLedger } from "../../src/dp/mod.ts";
import { sha256Hex } from "../../src/formats/canonical_json.ts";
import { decodeMessage } from "../../src/secure_agg/mod.ts";
import type { Seen } from "./_fault_proxy.ts";
import { type ChaosFederation, SITES } from "./_federation.ts";
import { patiently } from "./_patiently.ts";

/** How a run ended, in numbers. */
export interface Outcome {
  /** Steps with a sum. */
  readonly summed: number;
  /** Steps that were aborted. */
  readonly aborted: number;
  /** Deaths by SIGKILL over all processes. */
  readonly deaths: number;
}

/** A line of the metrics. */
export interface Metric {
  readonly kind: string;
  readonly round: number;
  readonly sites: number;
  readonly sumHash: string;
}

/**
 * The laws that hold however often anything was killed. To be checked when the run is over.
 * @param everySite true where no site was killed, so that each sum has all of them
 */
export async function assertLaws(federation: ChaosFederation, everySite: boolean): Promise<Outcome> {
  const { steps } = federation.options;
  const metrics = await metricsOf(federation);
  const over = metrics.filter(({ kind }) => kind === "step" || kind === "aborted");
  assert.deepEqual(
    over.map(({ round }) => round),
    Array.from({ length: steps }, (_, i) => i + 1),
    "each step once",
  );
  const sums = over.filter(({ kind }) => kind === "step");
  for (const metric of sums) await assertExactSum(federation, metric, everySite);
  for (const site of SITES) await assertCharged(federation, site);
  assertOneShareKind(federation.seen);
  await assertWholeCheckpoints(federation);
  const store = await patiently(() => federation.store());
  try {
    assert.ok(await new AuditLog(store).verify() !== undefined, "the audit log's chain holds");
  } finally {
    await store.close();
  }
  const deaths = [...federation.parties.values()].reduce((sum, party) => sum + party.deaths, 0);
  return { summed: sums.length, aborted: over.length - sums.length, deaths };
}

/** Lines of the run's metrics. */
async function metricsOf({ options: { dir } }: ChaosFederation): Promise<Metric[]> {
  const text = await Deno.readTextFile(`${dir}/run/${RUN_FILES.metrics}`);
  return text.trim().split("\n").map((line) => JSON.parse(line));
}

/** The sum is that of what some sites gave to masking, as many as the run says. */
export async function assertExactSum(
  federation: Pick<ChaosFederation, "notebook">,
  metric: Metric,
  everySite: boolean,
): Promise<void> {
  const { round, sites, sumHash } = metric;
  if (everySite) assert.equal(sites, SITES.length, `step ${round} lost a site`);
  const vectors = (await Promise.all(SITES.map((site) => plainVector(federation, site, round))))
    .filter((vector) => vector !== undefined);
  const hashes = subsets(vectors, sites).map((chosen) => {
    const sum = new Uint32Array(chosen[0].length);
    for (const vector of chosen) vector.forEach((value, i) => sum[i] += value);
    return sha256Hex(new Uint8Array(sum.buffer));
  });
  assert.ok(hashes.includes(sumHash), `the sum of step ${round} is not that of ${sites} sites`);
}

/** The vector that a site gave to masking in a step, if it got that far. */
async function plainVector(
  federation: Pick<ChaosFederation, "notebook">,
  site: string,
  round: number,
): Promise<Uint32Array | undefined> {
  const bytes = await Deno.readFile(`${federation.notebook}/${site}-${round}.u32`).catch(() => undefined);
  // A site that was killed while it wrote has sent nothing of it.
  return bytes === undefined || bytes.length === 0 || bytes.length % 4 !== 0
    ? undefined
    : new Uint32Array(bytes.buffer);
}

function subsets<T>(items: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return items.flatMap((item, i) => subsets(items.slice(i + 1), size - 1).map((rest) => [item, ...rest]));
}

/** Every step of which anything left the site is in its ledger, once. */
async function assertCharged({ options: { dir }, seen }: ChaosFederation, site: string): Promise<void> {
  const file = `${dir}/sites/${site}/${SITE_FILES.ledger}`;
  const charged = chargedRounds(await Deno.readTextFile(file));
  assert.equal(new Set(charged).size, charged.length, `${site} is charged twice for a step`);
  for (const message of seen) {
    const step = stepOf(message);
    if (message.site === site && step !== undefined) {
      assert.ok(charged.includes(step), `${site} sent step ${step} uncharged`);
    }
  }
  const status = await readLedger(file);
  for (const { rounds } of status.populations) {
    assert.ok(rounds >= charged.length, `${site}: ${rounds} rounds`);
  }
}

/** Rounds of the charges in a ledger's whole lines. */
function chargedRounds(text: string): number[] {
  return text.split("\n").flatMap((line) => {
    try {
      const record = JSON.parse(line);
      return record.type === "charge" ? [record.round as number] : [];
    } catch {
      return []; // torn, and counted as spent by the ledger
    }
  });
}

function stepOf({ path }: Seen): number | undefined {
  const match = /^\/v1\/rounds\/(\d+)\/messages$/.exec(path);
  return match === null ? undefined : Number(match[1]);
}

/** A site reveals one kind of share for each peer in a step, whatever it repeats and whoever asks. */
export function assertOneShareKind(seen: readonly Seen[]): void {
  const revealed = new Map<string, string>();
  for (const message of seen) {
    const step = stepOf(message);
    if (step === undefined) continue;
    const decoded = decodeMessage(message.body);
    if (decoded.type !== "unmask") continue;
    for (const { peer, kind } of decoded.shares) {
      const place: string = `${message.site} of peer ${peer} in step ${step}`;
      assert.equal(revealed.get(place) ?? kind, kind, `two kinds of share by ${place}`);
      revealed.set(place, kind);
    }
  }
}

/** Whatever checkpoints there are can be read. */
export async function assertWholeCheckpoints(
  { options: { dir } }: Pick<ChaosFederation, "options">,
): Promise<void> {
  for (const name of ["weights", "best", "base"] as const) {
    const file = `${dir}/run/${RUN_FILES[name]}`;
    if (await Deno.stat(file).then(() => true, () => false)) await readWeights(file);
  }
}
