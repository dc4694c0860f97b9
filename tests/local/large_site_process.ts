// A process of its own that trains a site with many light records from disk, for tests and benchmarks: makes the
// records, indexes them, keeps their features in a file and runs private steps. Prints seconds of each part and the
// growth of the resident set, bytes. Arguments: number of records, number of steps.
import { join } from "node:path";
import { indexFederationPart, StoredFeatures, trainLocalPrivately } from "../../src/local/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { lightModel, writeLightPart } from "./_light_dataset.ts";

const [records, steps] = Deno.args.map(Number);
const dir = await Deno.makeTempDir();
try {
  await selectBackend("wasm");
  const { spec, weights } = await lightModel(join(dir, "model"));
  await writeLightPart(join(dir, "site"), records, 2);

  const train = async (folder: string, count: number) => {
    const times = [performance.now()];
    const index = await indexFederationPart(folder);
    times.push(performance.now());
    using features = await StoredFeatures.create(dir, spec, weights, index);
    times.push(performance.now());
    const training = trainLocalPrivately(spec, weights, features, {
      steps: count,
      samplingRate: new Map([["icu", 0.05]]),
      clip: new Map([["icu", 0.1]]),
      expectedUnits: 100,
      optimizer: { type: "sgd", momentum: 0 },
      learningRate: 0.1,
      schedule: { type: "constant" },
      proximal: 0,
      updateClip: 10,
      privacy: { type: "none" },
    });
    while ((await training.next()).done !== true);
    times.push(performance.now());
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
