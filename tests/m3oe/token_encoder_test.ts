import assert from "node:assert/strict";
import {
  type InjectedModel,
  type InjectionBase,
  type InjectionConfig,
  type InjectionSample,
  loadInjection,
  readEncoderWeights,
  saveInjection,
  type TokenEncoder,
} from "../../src/m3oe/mod.ts";
import { stepGradients } from "../../src/m3oe/training_step.ts";
import { disposeAll, normalValues, readFloat32, readScalar, tf } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { refuses, TOY_TASKS, trainToy, withFolder, withToyBase } from "./_toy.ts";

const INPUT = 6;

/** An encoder that turns six values into two tokens of four features; at first blind to the first value. */
function toyEncoder(modality: string, seed = 1): TokenEncoder {
  const random = new SeededRandom(seed);
  const name = (part: string): string => `encoder.${modality}.${part}`;
  const tensor = (...shape: number[]) => ({
    shape,
    data: normalValues(shape.reduce((product, length) => product * length, 1), 0.4, random),
  });
  const down = tensor(INPUT, 8);
  down.data.fill(0, 0, 8);
  return {
    modality,
    inputWidth: INPUT,
    tokens: 2,
    dEnc: 4,
    weights: new Map([[name("down"), down], [name("up"), tensor(8, 8)], [
      name("bias"),
      tensor(8),
    ]]),
    encode: (parameter, input) =>
      tf.matMul(
        tf.matMul(input, parameter(name("down")) as tf.Tensor2D).tanh(),
        parameter(name("up")) as tf.Tensor2D,
      )
        .add(parameter(name("bias"))).reshape([2 * input.shape[0], 4]),
  };
}

/** Records whose label is the sign of the first value. */
function rawSamples(count: number, seed: number): InjectionSample[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => {
    const tokens = normalValues(INPUT, 1, random);
    return {
      task: "shock",
      modalities: [{ modality: "vitals", tokens, count: 2 }],
      question: "is the patient in shock",
      label: tokens[0] > 0 ? 1 : 0,
    };
  });
}

/** The same samples with the tokens that the encoder's initial weights give. */
async function encoded(samples: InjectionSample[], encoder: TokenEncoder): Promise<InjectionSample[]> {
  const parameters = new Map(
    [...encoder.weights].map(([name, { shape, data }]) => [name, tf.tensor(data, [...shape])]),
  );
  const result: InjectionSample[] = [];
  for (const sample of samples) {
    const tokens = tf.tidy(() =>
      encoder.encode((name) => parameters.get(name)!, tf.tensor2d(sample.modalities[0].tokens, [1, INPUT]))
    );
    const values = (await readFloat32(tokens)).slice();
    result.push({ ...sample, modalities: [{ ...sample.modalities[0], tokens: values }] });
    tokens.dispose();
  }
  disposeAll(parameters.values());
  return result;
}

async function train(
  base: InjectionBase,
  config: Partial<InjectionConfig>,
  encoders: TokenEncoder[],
  samples = rawSamples(256, 1),
): Promise<{ model: InjectedModel; losses: number[] }> {
  return await trainToy(base, { batchSize: 16, ...config }, { samples, validation: [], encoders });
}

Deno.test("an injection trains given encoders: they move, training learns more, nothing is leaked", async () => {
  await withToyBase(async (base) => {
    const before = tf.memory().numTensors;
    const encoder = toyEncoder("vitals");
    const config = { epochs: 10, learningRate: 5e-3, encoderRate: 1 };
    const { model, losses } = await train(base, config, [encoder]);
    const frozen = await train(base, config, [], await encoded(rawSamples(256, 1), encoder));
    const mean = (list: number[]): number => list.slice(-16).reduce((sum, loss) => sum + loss, 0) / 16;
    assert.ok(mean(losses) < mean(frozen.losses) - 0.05, `${mean(losses)} against ${mean(frozen.losses)}`);
    const weights = await model.encoderWeights();
    assert.deepEqual([...weights.keys()], [...encoder.weights.keys()]);
    for (const [name, { shape, data }] of weights) {
      assert.deepEqual(shape, encoder.weights.get(name)?.shape);
      assert.notDeepEqual(data, encoder.weights.get(name)?.data);
    }
    assert.equal(model.summary.trained.encoders, 6 * 8 + 8 * 8 + 8);
    model.dispose();
    frozen.model.dispose();
    assert.equal(tf.memory().numTensors, before, "tensors were leaked");
  });
});

Deno.test("at the first step a trained encoder gives the loss of its tokens computed beforehand", async () => {
  await withToyBase(async (base) => {
    const encoder = toyEncoder("vitals");
    const joint = await train(base, { epochs: 1 }, [encoder]);
    const separate = await train(base, { epochs: 1 }, [], await encoded(rawSamples(256, 1), encoder));
    assert.ok(Math.abs(joint.losses[0] - separate.losses[0]) < 1e-6);
    joint.model.dispose();
    separate.model.dispose();
  });
});

Deno.test("encoder weights have the gradients that finite differences give", async () => {
  await withToyBase(async (base) => {
    const { model } = await train(base, { epochs: 1, learningRate: 1e-2 }, [toyEncoder("vitals")]);
    const batch = model.encode(rawSamples(16, 5));
    const { gradients } = await stepGradients(model, TOY_TASKS, batch, { seed: 1, step: 0 });
    const loss = async (): Promise<number> => {
      const value = tf.tidy(() => model.batchLoss(batch));
      const result = await readScalar(value);
      value.dispose();
      return result;
    };
    for (const { part, name, variable } of model.parameters.named) {
      if (part !== "encoders") continue;
      const gradient = (await readFloat32(gradients.get(name)!)).slice();
      const values = (await readFloat32(variable)).slice();
      const moved = async (by: number): Promise<number> => {
        const changed = values.slice();
        changed[0] += by;
        tf.tidy(() => variable.assign(tf.tensor(changed, variable.shape)));
        return await loss();
      };
      const numeric = (await moved(2e-2) - await moved(-2e-2)) / 4e-2;
      await moved(0);
      assert.ok(
        Math.abs(numeric - gradient[0]) < 0.03 * Math.abs(numeric) + 2e-4,
        `${name}: ${numeric} ${gradient[0]}`,
      );
    }
    disposeAll(gradients.values());
    model.dispose();
  });
});

Deno.test("trained encoders are saved with the adapter, and come back inside it or for the sites", async () => {
  await withToyBase(async (base) => {
    await withFolder(async (folder) => {
      const { model } = await train(base, { epochs: 2, encoderRate: 1 }, [toyEncoder("vitals")]);
      await saveInjection(model, folder);
      const weights = await readEncoderWeights(folder);
      assert.deepEqual(weights, await model.encoderWeights());
      const samples = rawSamples(12, 8);
      const scores = await model.score(samples);
      // Another encoder of the same form: its weights are replaced by the adapter's.
      const loaded = await loadInjection(folder, base, { encoders: [toyEncoder("vitals", 9)] });
      assert.deepEqual(await loaded.score(samples), scores);
      // A site's way: tokens from its own encoder with the returned weights.
      const plain = await loadInjection(folder, base);
      const tokens = await encoded(samples, { ...toyEncoder("vitals"), weights });
      const difference = (await plain.score(tokens)).map((score, i) => Math.abs(score - scores[i]));
      assert.ok(Math.max(...difference) < 1e-4);
      for (const each of [model, loaded, plain]) each.dispose();
    });
  });
});

Deno.test("encoders and samples that do not fit are refused with a typed error", async () => {
  await withToyBase(async (base) => {
    const encoder = toyEncoder("vitals");
    const [sample] = rawSamples(1, 1);
    const [{ modality }] = sample.modalities;
    const with_ = (tokens: Float32Array, count: number): InjectionSample[] => [
      sample,
      { ...sample, modalities: [{ modality, tokens, count }] },
    ];
    const broken = new Map(encoder.weights).set("encoder.vitals.bias", {
      shape: [8],
      data: new Float32Array(7),
    });
    const nan = new Map(encoder.weights).set("encoder.vitals.bias", {
      shape: [8],
      data: new Float32Array(8).fill(NaN),
    });
    const before = tf.memory().numTensors;
    const cases: [TokenEncoder[], InjectionSample[]][] = [
      [[encoder, encoder], [sample]],
      [[{ ...encoder, weights: broken }], [sample]],
      [[{ ...encoder, weights: nan }], [sample]],
      [[encoder], with_(new Float32Array(INPUT), 3)],
      [[encoder], with_(new Float32Array(INPUT - 1), 2)],
      [[encoder], with_(new Float32Array(INPUT).fill(NaN), 2)],
    ];
    for (const [encoders, samples] of cases) {
      await assert.rejects(train(base, { epochs: 1 }, encoders, samples), refuses("ModelError"));
    }
    assert.equal(tf.memory().numTensors, before, "tensors were leaked");
  });
});
