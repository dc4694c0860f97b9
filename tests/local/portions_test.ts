import assert from "node:assert/strict";
import { join } from "node:path";
import { cryptoRandomBytes } from "../../src/formats/random_bytes.ts";
import { drawKeys } from "../../src/local/_dealing.ts";
import {
  clippedGradientSum,
  federatedParameters,
  indexFederationPart,
  loadFederationPart,
  type LocalModelSpec,
  type LocalWeights,
  perUnitGradients,
  prepareFeatures,
  type SetFeatures,
  StoredFeatures,
  type StoredSet,
  type TrainingSet,
  units,
} from "../../src/local/mod.ts";
import { portions } from "../../src/local/training_set.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { lightModel, writeLightPart } from "./_light_dataset.ts";

/** One patient has 4500 records, more than a portion, and 1500 or so have up to three. */
const LARGE = 4500;

interface Site {
  readonly spec: LocalModelSpec;
  readonly weights: LocalWeights;
  readonly memory: SetFeatures;
  readonly disk: StoredSet;
}

async function withSite(body: (site: Site) => void | Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await selectBackend("wasm");
    const { spec, weights } = await lightModel(join(dir, "model"));
    const folder = join(dir, "site");
    await writeLightPart(folder, 2 * LARGE, 2);
    const path = join(folder, "icu", "records.jsonl");
    const lines = (await Deno.readTextFile(path)).trim().split("\n");
    const changed = lines.map((line, i) =>
      i % 2 === 0 ? line.replace(/"patient":"p\d+"/, `"patient":"p0"`) : line
    );
    await Deno.writeTextFile(path, changed.join("\n"));
    const memory = prepareFeatures(spec, weights, await loadFederationPart(folder)).sets.get("icu")!;
    using stored = await StoredFeatures.create(dir, spec, weights, await indexFederationPart(folder));
    const disk = stored.sets.get("icu")!;
    assert.ok(memory.rowsOf.get("p0")!.length >= LARGE && memory.rowsOf.size > 1000);
    await body({ spec, weights, memory, disk });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("portions() deals every sampled unit once, with the values of all of its records", async () => {
  await withSite(({ memory, disk }) => {
    const names = units(memory);
    const data = (rows: readonly number[], { data }: { data: Float32Array }, size: number): number[] => {
      const width = data.length / size;
      return rows.flatMap((row) => [...data.subarray(row * width, (row + 1) * width)]);
    };
    for (const set of [memory, disk] as TrainingSet[]) {
      const dealt: string[] = [];
      let parts = 0;
      for (const portion of portions(set, drawKeys(units(set), cryptoRandomBytes))) {
        parts++;
        let records = 0;
        for (const { unit } of portion.units) {
          dealt.push(unit);
          const name = set === memory ? unit : names[Number(unit)];
          const [own, whole] = [portion.rows.rowsOf.get(unit)!, memory.rowsOf.get(name)!];
          assert.equal(own.length, whole.length);
          records += own.length;
          for (const [modality, stem] of memory.tokens) {
            const part = portion.rows.tokens.get(modality)!;
            assert.deepEqual(data(own, part, part.present.length), data(whole, stem, memory.size));
          }
        }
        assert.ok(records <= 4096 || portion.units.length === 1);
      }
      assert.ok(parts > 2);
      assert.deepEqual(dealt.sort(), units(set).sort());
    }
  });
});

Deno.test("the clipped sum over portions is that of every unit's whole gradient, clipped by hand", async () => {
  await withSite(async ({ spec, weights, memory, disk }) => {
    const bound = 0.1;
    const names = units(memory);
    const sampled = [...names.keys()].filter((number) => names[number] === "p0" || number % 3 > 0);
    const expected = new Float64Array(federatedParameters(spec).dimension);
    let large = 0;
    const chosen = sampled.map((number) => names[number]);
    let at = 0;
    await perUnitGradients(spec, weights, memory, chosen, (gradient, ranges) => {
      const own = new Float64Array(gradient.length);
      for (const { start, end } of ranges) own.set(gradient.subarray(start, end), start);
      const length = Math.sqrt(own.reduce((sum, value) => sum + value * value, 0));
      if (chosen[at++] === "p0") large = length;
      own.forEach((value, i) => expected[i] += value / Math.max(bound, length));
    });
    assert.ok(large > bound);
    for (const [set, names] of [[memory, chosen], [disk, sampled.map(String)]] as const) {
      const { sum } = await clippedGradientSum(
        spec,
        weights,
        { sets: new Map([["icu", set]]) },
        new Map([["icu", names]]),
        new Map([["icu", bound]]),
      );
      const worst = Math.max(...sum.map((value, i) => Math.abs(value - expected[i])));
      assert.ok(worst < 1e-5, `off by ${worst}`);
    }
  });
});
