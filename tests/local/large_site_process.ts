// A process of its own that trains a site with many light records from disk, for tests and benchmarks: makes the
// records, indexes them, keeps their features in a file and runs private steps. Prints seconds of CPU time of each part and the
// growth of the resident set, bytes. Arguments: number of records, number of steps. Steps are clipped, and rounded and
// noised as a plan says.
import { join } from "node:path";
import process from "node:process";
import { createPlan, decodeSum, encodeUpdate } from "../../src/dp/mod.ts";
import {
  federatedParameters,
  indexFederationPart,
  StoredFeatures,
  trainLocalPrivately,
} from "../../src/local/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { lightModel, writeLightPart } from "./_light_dataset.ts";

const [records, steps] = Deno.args.map(Number);
const [samplingRate, clip] = [0.05, 0.1];

/** CPU time of this process, milliseconds. */
function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const dir = await Deno.makeTempDir();
try {
  await selectBackend("wasm");
  const { spec, weights } = await lightModel(join(dir, "model"));
  await writeLightPart(join(dir, "site"), records, 2);

  const plan = createPlan({
    populations: [{ name: "icu", unit: "patient", samplingRate, maxGradNorm: clip }],
    setsAreDisjoint: true,
    neighboring: "add_or_remove_one",
    steps,
    dimension: federatedParameters(spec).dimension,
    cohort: { n: 2, nMin: 2, colluders: 1 },
    maxUnitsPerStep: Math.max(1000, Math.ceil(0.4 * samplingRate * records)),
    delta: 1e-6,
    target: { noiseMultiplier: 1 },
  });

  const train = async (folder: string, count: number) => {
    const times = [cpuTime()];
    const index = await indexFederationPart(folder);
    times.push(cpuTime());
    using features = await StoredFeatures.create(dir, spec, weights, index);
    times.push(cpuTime());
    const training = trainLocalPrivately(spec, weights, features, {
      steps: count,
      samplingRate: new Map([["icu", samplingRate]]),
      clip: new Map([["icu", clip]]),
      expectedUnits: 100,
      optimizer: { type: "sgd", momentum: 0 },
      learningRate: 0.1,
      schedule: { type: "constant" },
      proximal: 0,
      updateClip: 10,
      privacy: {
        type: "dp_sgd",
        noiseMultiplier: plan.noise.noiseMultiplier,
        release: (sum) => decodeSum(plan, encodeUpdate(plan, sum)),
      },
    });
    while ((await training.next()).done !== true);
    times.push(cpuTime());
    const [indexing, storing, training_] = times.slice(1).map((time, i) => (time - times[i]) / 1000);
    return { records: index.sets[0].size, index: indexing, features: storing, step: training_ / count };
  };

  // A small part first, so that everything that does not depend on the number of records is in place.
  await train(join(dir, "model"), 2);
  const before = Deno.memoryUsage().rss;
  let peak = before;
  const timer = setInterval(() => peak = Math.max(peak, Deno.memoryUsage().rss), 20);
  const result = await train(join(dir, "site"), steps);
  clearInterval(timer);
  console.log(JSON.stringify({ ...result, growth: Math.max(peak, Deno.memoryUsage().rss) - before }));
} finally {
  await Deno.remove(dir, { recursive: true });
}
