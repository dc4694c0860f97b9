/**
 * Quality of the local models on a federation folder: public pre-training, private training (simulated in one
 * process: union of the sites, Poisson sampling, per-unit clipping, Gaussian noise as the plan calibrates it)
 * and training without privacy, as AUROC on the test part. Every setting is a default of `src/local`; the
 * test part is read once, at the end.
 *
 *     deno run -A bench/local/quality.ts DATA [--seeds N] [--epsilon E] [--validate]
 *
 * With `--validate`, models are pre-trained on one half of the public patients and judged on the other half,
 * and the test part stays closed: the figures to choose settings by.
 */
import { parseArgs } from "node:util";
import { createPlan } from "../../src/dp/mod.ts";
import {
  createSpec,
  DEFAULT_PRETRAINING,
  DEFAULT_TRAINING,
  defaultClip,
  evaluateLocal,
  federatedParameters,
  loadFederationPart,
  type LocalModelSpec,
  type LocalWeights,
  prepareFeatures,
  pretrainOnPublic,
  readFederation,
  type SiteData,
  type SiteFeatures,
  type TokenEmbedding,
  trainWithoutPrivacy,
} from "../../src/local/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { simulate, union } from "./_simulation.ts";

/** A stand-in for a language model's table: a fixed random vector per word. */
const WORDS: TokenEmbedding = {
  dimension: 64,
  embed: (text) =>
    Float32Array.from((text.toLowerCase().match(/[a-z0-9]+/g) ?? []).flatMap((word) => {
      let hash = 2166136261;
      for (const letter of word) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619);
      const random = new SeededRandom(hash >>> 0);
      return Array.from({ length: 64 }, () => random.normal());
    })),
};

/** Half of the patients, by a hash of their identifier. */
function half(data: SiteData, first: boolean): SiteData {
  const inFirst = (patient: string): boolean => {
    let hash = 2166136261;
    for (const letter of patient) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619);
    return ((hash >>> 8) & 1) === 0;
  };
  const sets = data.sets.map((set) => {
    const keep = set.records.map(({ patient }) => inFirst(patient) === first);
    return {
      ...set,
      records: set.records.filter((_, i) => keep[i]),
      units: set.units.filter((_, i) => keep[i]),
    };
  });
  return { ...data, sets };
}

type Row = Record<string, number>;

async function aurocs(spec: LocalModelSpec, weights: LocalWeights, features: SiteFeatures): Promise<Row> {
  const figures = await evaluateLocal(spec, weights, features);
  return Object.fromEntries(Object.entries(figures).map(([task, { auroc }]) => [task, auroc ?? NaN]));
}

function show(name: string, rows: readonly Row[]): void {
  const tasks = Object.keys(rows[0]);
  const mean = (task: string): number => rows.reduce((sum, row) => sum + row[task] / rows.length, 0);
  const clinical = tasks.filter((task) => !task.startsWith("vqa"));
  const overall = clinical.reduce((sum, task) => sum + mean(task) / clinical.length, 0);
  const cells = tasks.map((task) => `${task} ${mean(task).toFixed(3)}`);
  console.log(`${name.padEnd(24)} mean ${overall.toFixed(3)} | ${cells.join("  ")}`);
}

/**
 * Runs the bench and prints one line per method.
 *
 * @param args command line: folder and flags
 */
export async function quality(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      seeds: { type: "string", default: "3" },
      epsilon: { type: "string", default: "8" },
      validate: { type: "boolean", default: false },
    },
    allowPositionals: true,
  });
  await selectBackend("wasm");
  const folders = await readFederation(positionals[0] ?? "../shared/data/federated");
  const publicData = await loadFederationPart(folders.public);
  const sites = await Promise.all(folders.sites.map((site) => loadFederationPart(site.dir)));
  const tasks = publicData.sets.flatMap((set) => set.manifest.tasks).filter((task) => task.role === "train");
  const spec = createSpec(publicData, tasks.map((task) => task.name), { tokenDimension: WORDS.dimension });
  const { dimension } = federatedParameters(spec);
  const clip = defaultClip(spec);
  const { samplingRate, steps, learningRate, optimizer: name } = DEFAULT_TRAINING;
  const plan = createPlan({
    populations: [...clip].map(([set, maxGradNorm]) => ({
      name: set,
      unit: "patient",
      samplingRate,
      maxGradNorm,
    })),
    setsAreDisjoint: true,
    neighboring: "add_or_remove_one",
    steps,
    dimension,
    cohort: { n: sites.length, nMin: sites.length - 1, colluders: 1 },
    maxUnitsPerStep: 4096,
    delta: 1e-5,
    target: { epsilon: Number(values.epsilon) },
  });
  const noise = plan.noise.shareStddev * Math.sqrt(sites.length) / plan.encoding.scale;
  console.log(
    `${dimension} federated parameters, q ${samplingRate}, ${steps} steps, total noise ${noise.toFixed(3)} C`,
  );
  const optimizer = {
    name,
    learningRate,
    beta1: 0.9,
    beta2: 0.99,
    adaptivity: 1e-8,
    anchorDecay: 0,
    decaySteps: steps,
  };

  const results = { public: [] as Row[], private: [] as Row[], open: [] as Row[] };
  for (let seed = 1; seed <= Number(values.seeds); seed++) {
    const base = await pretrainOnPublic(spec, publicData, WORDS, { seed, steps: 0 });
    const features = union(sites.map((site) => prepareFeatures(spec, base, site, WORDS)));
    const trials = values.validate
      ? [true, false].map((first) => [half(publicData, first), half(publicData, !first)])
      : [[publicData, await loadFederationPart(folders.test)]];
    for (const [train, judge] of trials) {
      const judged = prepareFeatures(spec, base, judge, WORDS);
      const schedule = { ...DEFAULT_PRETRAINING, seed };
      const start = await trainWithoutPrivacy(
        spec,
        base,
        prepareFeatures(spec, base, train, WORDS),
        schedule,
      );
      results.public.push(await aurocs(spec, start, judged));
      const run = { steps, samplingRate, noise, clip, optimizer };
      const begun = performance.now();
      const { weights, clippedShare } = await simulate(spec, start, features, run, new SeededRandom(seed));
      const each = (performance.now() - begun) / steps;
      console.log(
        `seed ${seed}: ${each.toFixed(1)} ms a step, ${(100 * clippedShare).toFixed(0)} % of units clipped`,
      );
      results.private.push(await aurocs(spec, weights, judged));
      const free = await trainWithoutPrivacy(spec, start, features, {
        ...DEFAULT_PRETRAINING,
        steps: 40,
        seed,
      });
      results.open.push(await aurocs(spec, free, judged));
    }
  }
  show("public only", results.public);
  show(`private, epsilon ${values.epsilon}`, results.private);
  show("sites without privacy", results.open);
}

if (import.meta.main) await quality(Deno.args);
