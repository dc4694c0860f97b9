import assert from "node:assert/strict";
import { correlation } from "../../bench/correlation.ts";
import type { InjectionConfig } from "../../src/m3oe/mod.ts";
import { taughtSamples, toyHead, trainToy, withToyBase } from "./_toy.ts";

Deno.test("what few records leave open, a teacher mixed token by token fills in", async () => {
  await withToyBase(async (base) => {
    const others = taughtSamples(200, 9);
    const heads = others.map(toyHead);
    const agreement = async (config: Partial<InjectionConfig>): Promise<number> => {
      const steps = { distillation: 1, epochs: 40, batchSize: 12, learningRate: 5e-3 };
      const { model } = await trainToy(base, { ...steps, ...config }, {
        samples: taughtSamples(24, 1),
        validation: [],
      });
      const scores = await model.score(others);
      model.dispose();
      return correlation([...scores], heads);
    };
    const plain = await agreement({});
    const records = await agreement({ teacherMixing: 0.25 });
    const tokens = await agreement({ teacherMixing: 0.25, teacherMixingUnit: "token" });
    assert.ok(tokens > plain + 0.03, `${tokens} and ${plain}`);
    assert.ok(tokens > records + 0.03, `${tokens} and ${records}`);
  });
});
