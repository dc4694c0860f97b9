import { decodeSum, type DpPlan, encodeUpdate, poissonSample, type RandomBytes } from "../../src/dp/mod.ts";
import { initServerOptimizer, serverStep, sumBound, type SumCheck } from "../../src/federation/mod.ts";
import type { FederationPlan } from "../../src/federation/federation_plan.ts";
import {
  auroc,
  clippedGradientSum,
  type DatasetRecord,
  flatten,
  type ImageValue,
  type LocalWeights,
  type SetFeatures,
  taskScores,
  unflatten,
} from "../../src/local/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { OPTIMIZER } from "./_membership.ts";
import { mean } from "./_statistics.ts";
import { CLIP, planFor, RATE, SET, TASK, type World } from "./_world.ts";

const STEPS = 60;
const EPSILON = 8;
const FALSE_ALARM = 1e-9;
/** A public bound on sampled patients for the tighter check: 94 are expected, 140 are six deviations more. */
const UNITS = 150;

/** What the malicious site does. */
export const ATTACKS = [
  "none",
  "stays away",
  "sign flip",
  "sign flip x 10",
  "sign flip x 1000",
  "random x 10",
  "label flip",
  "backdoor data",
  "backdoor data x 10",
  "opposes with the whole slack",
] as const;
/** One of {@link ATTACKS}. */
export type Attack = typeof ATTACKS[number];

/** The outcome of one attack. */
export interface MaliciousRow {
  /** Number of sites, one of which is malicious. */
  readonly sites: number;
  /** What it does. */
  readonly attack: Attack;
  /** AUROC on the test part, mean over seeds. */
  readonly auroc: number;
  /** Share of pneumonia images below the clean threshold once they carry the trigger. */
  readonly backdoor: number;
  /** Steps that the check refuses at the plan's own bound, of all. */
  readonly refused: number;
  /** Steps that it refuses where the operator bounds the units of a step. */
  readonly refusedTight: number;
  /** Mean length of the sum, in clip bounds. */
  readonly length: number;
  /** The check's bound by the plan, and with the operator's bound on units. */
  readonly bounds: readonly [number, number];
}

interface Party {
  readonly honest: readonly SetFeatures[];
  readonly malicious: SetFeatures;
}

/** A bright square in the corner. */
function withTrigger(record: DatasetRecord, modality: string, label: number): DatasetRecord {
  const image = record.values.get(modality) as ImageValue;
  const data = image.data.slice();
  for (let y = 0; y < 14; y++) for (let x = 0; x < 14; x++) data[y * image.width + x] = 255;
  return {
    ...record,
    values: new Map([[modality, { ...image, data }]]),
    labels: new Map([[TASK, label]]),
  };
}

/** Deals the hospitals' patients to sites; the last one's records are changed by data attacks. */
function deal(world: World, sites: number, attack: Attack): Party {
  const modality = world.spec.encoders[0].modality;
  const records = world.sites.flatMap((site) => site.records);
  const patients = [...new Set(records.map(({ patient }) => patient))];
  new SeededRandom(11).shuffle(patients);
  const siteOf = new Map(patients.map((patient, i) => [patient, i % sites]));
  const parts = Array.from(
    { length: sites },
    (_, s) => records.filter(({ patient }) => siteOf.get(patient) === s),
  );
  const own = parts[sites - 1].map((record) => {
    if (attack === "label flip") {
      return { ...record, labels: new Map([[TASK, 1 - (record.labels.get(TASK) as number)]]) };
    }
    return attack.startsWith("backdoor") ? withTrigger(record, modality, 0) : record;
  });
  return { honest: parts.slice(0, -1).map((part) => world.prepare(part)), malicious: world.prepare(own) };
}

/** Runs every attack with one of `sites` sites malicious. */
export async function attackTraining(
  world: World,
  sites: number,
  seeds: number,
  bytes: RandomBytes,
): Promise<MaliciousRow[]> {
  const plan = planFor(world, EPSILON, STEPS, sites);
  const modality = world.spec.encoders[0].modality;
  const triggered = world.prepare(
    world.test.records.filter((record) => record.labels.get(TASK) === 1)
      .map((record) => withTrigger(record, modality, 1)),
  );
  const rows: MaliciousRow[] = [];
  for (const attack of ATTACKS) {
    const party = deal(world, sites, attack);
    const found = [];
    for (let seed = 0; seed < seeds; seed++) {
      found.push(await train(world, plan, party, attack, triggered, bytes));
    }
    rows.push({
      sites,
      attack,
      auroc: mean(found.map((run) => run.auroc)),
      backdoor: mean(found.map((run) => run.backdoor)),
      refused: mean(found.map((run) => run.refused)),
      refusedTight: mean(found.map((run) => run.refusedTight)),
      length: mean(found.map((run) => run.length)),
      bounds: found[0].bounds,
    });
  }
  return rows;
}

async function train(
  world: World,
  plan: DpPlan,
  party: Party,
  attack: Attack,
  triggered: SetFeatures,
  bytes: RandomBytes,
) {
  const { spec, start, dimension } = world;
  const federation = { mode: "distributed", dp: plan } as FederationPlan;
  const anchor = flatten(spec, start);
  let flat: Float64Array = anchor.slice();
  let state = initServerOptimizer(dimension);
  const survivors = party.honest.length + (attack === "stays away" ? 0 : 1);
  const bound = (check: Omit<SumCheck, "falseAlarm">): number =>
    sumBound(federation, survivors, { ...check, falseAlarm: FALSE_ALARM });
  const [loose, tight] = [bound({}), bound({ units: UNITS })];
  let refused = 0, refusedTight = 0, lengths = 0;
  for (let step = 0; step < STEPS; step++) {
    const weights = unflatten(spec, start, flat);
    const honest = new Float64Array(dimension);
    for (const site of party.honest) add(honest, await clippedSum(world, weights, site, bytes), 1);
    const sent = honest.map(() => 0);
    const own = attack === "stays away" || attack === "random x 10"
      ? new Float64Array(dimension)
      : await clippedSum(world, weights, party.malicious, bytes);
    const wanted = deviation(attack, own, honest, loose);
    // Noise of every site that takes part; a malicious one may leave its own away, which only helps the server.
    for (let s = 0; s < party.honest.length; s++) {
      add(
        sent,
        decodeSum(plan, encodeUpdate(plan, s === 0 ? honest : new Float64Array(dimension), bytes)),
        1,
      );
    }
    add(sent, wanted, 1);
    const length = Math.hypot(...sent);
    lengths += length / STEPS;
    if (length > loose) refused++;
    if (length > tight) refusedTight++;
    ({ state, parameters: flat } = serverStep(OPTIMIZER, state, flat, anchor, sent));
  }
  const weights = unflatten(spec, start, flat);
  const clean = await taskScores(spec, weights, world.test.features, TASK);
  const positives = [...clean.scores].filter((_, i) => clean.labels[i] === 1).sort((a, b) => a - b);
  // A threshold that finds four in five of the clean pneumonia images.
  const threshold = positives[Math.floor(0.2 * positives.length)];
  const stamped = await taskScores(spec, weights, triggered, TASK);
  return {
    auroc: auroc(clean) ?? NaN,
    backdoor: mean([...stamped.scores].map((score) => score < threshold ? 1 : 0)),
    refused: refused / STEPS,
    refusedTight: refusedTight / STEPS,
    length: lengths,
    bounds: [loose, tight] as const,
  };
}

/** What the malicious site hands to secure aggregation, in clip bounds. */
function deviation(attack: Attack, own: Float64Array, honest: Float64Array, bound: number): Float64Array {
  switch (attack) {
    case "sign flip":
      return own.map((value) => -value);
    case "sign flip x 1000":
      return own.map((value) => -1000 * value);
    case "sign flip x 10":
      return own.map((value) => -10 * value);
    case "backdoor data x 10":
      return own.map((value) => 10 * value);
    case "random x 10": {
      const random = new SeededRandom(5);
      const length = Math.hypot(...honest) / 3;
      return own.map(() => 10 * length * random.normal() / Math.sqrt(own.length));
    }
    case "opposes with the whole slack": {
      const length = Math.hypot(...honest);
      return honest.map((value) => -value * 0.9 * bound / length);
    }
    default:
      return own;
  }
}

async function clippedSum(
  { spec }: World,
  weights: LocalWeights,
  set: SetFeatures,
  bytes: RandomBytes,
): Promise<Float64Array> {
  const sampled = new Map([[SET, poissonSample([...set.rowsOf.keys()], RATE, bytes)]]);
  const features = { sets: new Map([[SET, set]]) };
  return (await clippedGradientSum(spec, weights, features, sampled, new Map([[SET, CLIP]]))).sum;
}

function add(into: Float64Array, vector: Float64Array, factor: number): void {
  vector.forEach((value, k) => into[k] += factor * value);
}
