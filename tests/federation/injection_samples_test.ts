import assert from "node:assert/strict";
import { allSamples, answerableTasks } from "../../src/federation/injection_samples.ts";
import { tokenEncoders } from "../../src/federation/token_encoders.ts";
import {
  createSpec,
  flatten,
  prepareFeatures,
  pretrainOnPublic,
  taskScores,
  unflatten,
} from "../../src/local/mod.ts";
import { readFloat32, selectBackend, tf } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { LETTERS, madeUpSite } from "../local/_fixtures.ts";

const data = madeUpSite(1, [1, 2, 1, 3, 1, 2]);
const trained = ["shock", "pneumonia", "pvc"];

async function model() {
  await selectBackend("wasm");
  const spec = createSpec(data, trained, { tokenDimension: LETTERS.dimension });
  const start = await pretrainOnPublic(spec, data, LETTERS, { seed: 1, steps: 0 });
  const random = new SeededRandom(2);
  const weights = unflatten(spec, start, flatten(spec, start).map(() => 0.3 * random.normal()));
  return { spec, weights, features: prepareFeatures(spec, weights, data, LETTERS) };
}

Deno.test("stems through their encoder are the tokens that samples carry otherwise", async () => {
  const { spec, weights, features } = await model();
  const tasks = answerableTasks(data, spec);
  const stems = await allSamples(spec, weights, data, features, tasks, "labelled", "stems");
  const tokens = await allSamples(spec, weights, data, features, tasks, "labelled");
  const encoders = new Map(tokenEncoders(spec, weights).map((encoder) => [encoder.modality, encoder]));
  let compared = 0;
  for (const [task, { samples }] of stems) {
    for (const [index, sample] of samples.entries()) {
      for (const [slot, { modality, tokens: stem, count }] of sample.modalities.entries()) {
        const wanted = tokens.get(task)!.samples[index].modalities[slot];
        assert.equal(count, wanted.count);
        if (wanted.tokens.every((value) => value === 0)) continue; // absent: its stem says nothing
        const { encode, weights: own, inputWidth } = encoders.get(modality)!;
        const encoded = tf.tidy(() => {
          const tensors = new Map(
            [...own].map(([name, { data, shape }]) => [name, tf.tensor(data, [...shape])]),
          );
          return encode((name) => tensors.get(name)!, tf.tensor2d(stem, [1, inputWidth]));
        });
        const found = await readFloat32(encoded);
        encoded.dispose();
        wanted.tokens.forEach((value, at) => assert.ok(Math.abs(value - found[at]) < 1e-5));
        compared++;
      }
    }
  }
  assert.ok(compared > 20);
});

Deno.test("teachers are the local head's probabilities, and no one teaches unless asked", async () => {
  const { spec, weights, features } = await model();
  const tasks = answerableTasks(data, spec).filter(({ name }) => name === "shock");
  const taught = (await allSamples(spec, weights, data, features, tasks, "taught")).get("shock")!;
  const { scores, records } = await taskScores(spec, weights, features.sets.get("icu")!, "shock");
  const ids = data.sets.find(({ name }) => name === "icu")!.records.map(({ id }) => id);
  const logits = new Map(Array.from(records, (row, index) => [ids[row], scores[index]]));
  assert.ok(taught.samples.length > 3);
  taught.samples.forEach(({ teacher }, index) => {
    assert.ok(Math.abs(teacher! - 1 / (1 + Math.exp(-logits.get(taught.ids[index])!))) < 1e-12);
  });
  const plain = (await allSamples(spec, weights, data, features, tasks, "labelled")).get("shock")!;
  assert.ok(plain.samples.every(({ teacher }) => teacher === undefined));
});
