import { join } from "node:path";
import {
  type AuditDesign,
  auditPower,
  type AuditResult,
  type ClaimedCurve,
  designAudit,
  type LedgerStatus,
  openLedger,
  runAudit,
} from "../src/dp/mod.ts";
import { auditPlan, type Contribute, runAuditStep, stepContribution } from "../src/federation/mod.ts";
import { canonicalJson, sha256Hex } from "../src/formats/canonical_json.ts";
import { FedKimError } from "../src/formats/errors.ts";
import type { OnProgress } from "../src/formats/progress.ts";
import { cryptoRandomBytes, type RandomBytes } from "../src/formats/random_bytes.ts";
import { defaultClip, federatedParameters, flatten, loadFederationPart } from "../src/local/mod.ts";
import { synthesizeFederation } from "../src/local/synthesize/mod.ts";
import { SeededRandom } from "../src/tensor/seeded_random.ts";
import { addCanaries, canaryCount, makeScorer, withIncluded } from "./audit_canaries.ts";
import { makeAuditModel } from "./audit_model.ts";
import { type NoiseWidth, noiseWidth } from "./audit_noise.ts";

/** The audited cohort: one consenting site with data, one honest site, one that colludes with the server. */
const COHORT = { n: 3, nMin: 3, colluders: 1 };
/** Steps of the audited run, so that counting them is audited too. */
const STEPS = 4;
/** A kept audit ledger holds this many audits. */
const AUDITS = 20;
/** Simulated audits for the power. */
const TRIALS = 100;
/** The audit gives no verdict where it would see half the noise less often than this. */
const LEAST_POWER = 0.95;
/** Patients of the synthetic site. */
const PATIENTS = { icu: 20, cxr: 10, ecg: 2, vqa: 3 };
/** The parts of a federation that an audit does not read. */
const UNREAD = { icu: 1, cxr: 1, ecg: 1, vqa: 1 };

/** How an audit is run. */
export interface AuditPathOptions {
  /** A federation part whose records are trained on beside the canaries; synthetic records without it. */
  readonly data?: string | undefined;
  /** Where the audit-only ledger is kept; a temporary file without it. */
  readonly ledger?: string | undefined;
  /** Seed of synthetic data and of the model's start. */
  readonly seed: number;
  /** Receives progress. */
  readonly onProgress: OnProgress;
  /** How a site computes its contribution; the product's own by default. */
  readonly contribute?: Contribute;
  /** The claim that is tested; by default what the accountant says of the plan. */
  readonly claim?: (design: AuditDesign) => ClaimedCurve;
  /** Steps; default 4. */
  readonly steps?: number;
  /** Coins, noise, keys and masks; the operating system's CSPRNG by default. */
  readonly randomBytes?: RandomBytes;
}

/** What an audit of the path gave. */
export interface PathAudit {
  /** Counts, bounds and p-value. */
  readonly result: AuditResult;
  /** The audit-only ledger. */
  readonly ledger: LedgerStatus;
  /** How wide the noise was; undefined for a run of one step. */
  readonly noise: NoiseWidth | undefined;
}

/**
 * Audits the path that sites and aggregator run in production, in one process: canary records at one site, its own
 * training, clipping, rounding and noise shares of all sites, secure aggregation, decoding. The attacker is the
 * server with one colluding site, whose noise is subtracted. Plan and ledger are the audit's own.
 * @throws FedKimError DatasetError for data that no encoder reads, or what stopped the path
 */
export async function auditTrainingPath(options: AuditPathOptions): Promise<PathAudit> {
  const work = await Deno.makeTempDir({ prefix: "fedkim-audit-" });
  try {
    return await auditIn(work, options);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function auditIn(work: string, options: AuditPathOptions): Promise<PathAudit> {
  const { onProgress, steps = STEPS, seed, randomBytes = cryptoRandomBytes } = options;
  const folder = options.data ?? await syntheticSite(join(work, "data"), options);
  const model = await makeAuditModel(await loadFederationPart(folder), seed);
  const { spec, weights, target, units } = model;
  const canaries = addCanaries(model);
  const design = designAudit({
    canaries: canaryCount(spec),
    population: target.set,
    populations: [...defaultClip(spec)].map(([name, maxGradNorm]) => ({
      name,
      unit: units.get(name)!,
      maxGradNorm,
    })),
    dimension: federatedParameters(spec).dimension,
    // Canaries share a coordinate only within one output of the audit head.
    maxUnitsPerStep: 1024,
    cohort: COHORT,
    steps,
  });
  const { plan, identities } = auditPlan(design.plan, spec, weights);
  const planHash = sha256Hex(canonicalJson(plan));
  const score = await makeScorer(model, canaries);
  const populations = plan.dp.request.populations.map(({ name }) => name);
  const others = { plan, base: weights, populations, features: { sets: new Map() } };
  using ledger = await openLedger(options.ledger ?? join(work, "audit_ledger.jsonl"), {
    site: "audit",
    budgets: plan.dp.guarantees.map(({ population, unit, epsilon, delta }) => ({
      population,
      unit,
      neighboring: plan.dp.request.neighboring,
      epsilon: Math.ceil(AUDITS * epsilon),
      delta: AUDITS * delta,
    })),
  });
  await ledger.commit({ planHash, schedules: plan.dp.events, delta: design.delta });
  const flat = flatten(spec, weights);
  const released: Uint32Array[] = [];
  const run = async (included: readonly boolean[]): Promise<Float64Array> => {
    const sets = new Map(model.features.sets).set(target.set, withIncluded(canaries, included));
    const sites = [{ ...others, features: { sets } }, others, others];
    const scores = new Float64Array(included.length);
    for (let round = 1; round <= steps; round++) {
      const charges = plan.dp.events.map(({ population, step }) => ({ population, event: step }));
      await ledger.charge({ planHash, round, charges });
      const { contribute = stepContribution } = options;
      const step = { plan, sites, identities, flat, round, contribute, randomBytes };
      const { sum, inputs } = await runAuditStep(step);
      // The colluder knows what it handed in.
      const known = inputs[COHORT.n - 1];
      const open = sum.map((value, i) => value - known[i]);
      released.push(open);
      score(plan.dp, open).forEach((value, i) => scores[i] += value);
      onProgress({ stage: "audit", done: round, total: steps });
    }
    return scores;
  };
  const claim = options.claim?.(design) ?? design.claim;
  const name = `${target.set}, ${options.data === undefined ? "synthetic records" : "own records"}`;
  const result = await runAudit({ ...design, name, claim, run, randomBytes, power: powerOf(design, seed) });
  return { result, ledger: ledger.status(), noise: noiseWidth(plan.dp, released) };
}

/** One site of a small synthetic federation. */
async function syntheticSite(dir: string, { seed }: AuditPathOptions): Promise<string> {
  await synthesizeFederation(dir, { seed, patients: { site: PATIENTS, public: UNREAD, test: UNREAD } });
  return join(dir, "site-west");
}

/** Chance that an audit of this design catches a build with half the noise, by simulation. */
function powerOf(design: AuditDesign, seed: number): number {
  const random = new SeededRandom(seed);
  const power = auditPower({
    ...design,
    actualMu: 2 * design.mu,
    trials: TRIALS,
    normal: () => random.normal(),
    uniform: () => random.next(),
  });
  if (power >= LEAST_POWER) return power;
  throw new FedKimError("InternalError", "The audit is too weak to say anything.", {
    found: `power ${power} against half the noise`,
    needed: `${LEAST_POWER}`,
  });
}
