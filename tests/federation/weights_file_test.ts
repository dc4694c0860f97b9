import assert from "node:assert/strict";
import { encodeWeights, readWeights } from "../../src/federation/weights_file.ts";
import { openSafetensors } from "../../src/formats/safetensors.ts";
import { checkWeights, createSpec, pretrainOnPublic } from "../../src/local/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { LETTERS, madeUpSite } from "../local/_fixtures.ts";

const publicData = madeUpSite(1, [2, 3, 1]);

/** Names and shapes that files of earlier versions carry: a change here breaks saved models. */
const NAMES = [
  "encoder.ecg.down.bias [4]",
  "encoder.ecg.down.weight [16, 4]",
  "encoder.ecg.up.weight [4, 16]",
  "encoder.vitals.block1.down.bias [4]",
  "encoder.vitals.block1.down.weight [8, 4]",
  "encoder.vitals.block1.norm1.scale [8]",
  "encoder.vitals.block1.norm1.shift [8]",
  "encoder.vitals.block1.norm2.scale [8]",
  "encoder.vitals.block1.norm2.shift [8]",
  "encoder.vitals.block1.out.bias [8]",
  "encoder.vitals.block1.out.weight [8, 8]",
  "encoder.vitals.block1.qkv.bias [24]",
  "encoder.vitals.block1.qkv.weight [8, 24]",
  "encoder.vitals.block1.up.bias [8]",
  "encoder.vitals.block1.up.weight [4, 8]",
  "encoder.vitals.patch.bias [8]",
  "encoder.vitals.patch.weight [4, 8]",
  "encoder.vitals.position.table [4, 8]",
  "head.pvc.bias [1]",
  "head.pvc.weight [8, 1]",
  "head.shock.bias [1]",
  "head.shock.weight [8, 1]",
];

Deno.test("weights go through safetensors under names and shapes that never change", async () => {
  await selectBackend("wasm");
  const spec = createSpec(publicData, ["shock", "pvc"], {
    dEnc: 8,
    hidden: 4,
    tokenDimension: 6,
    attention: { timeseries: { tokens: 4, hidden: 4 } },
  });
  const weights = await pretrainOnPublic(spec, publicData, LETTERS, { seed: 1, steps: 1 });
  const path = await Deno.makeTempFile({ suffix: ".safetensors" });
  await Deno.writeFile(path, encodeWeights(weights));
  const found = [...(await openSafetensors(path)).tensors].map(([name, { shape }]) =>
    `${name} [${shape.join(", ")}]`
  );
  const learned = found.filter((line) => /^(encoder\.(ecg|vitals)|head)\./.test(line)).sort();
  assert.deepEqual(learned, NAMES);
  const read = await readWeights(path);
  checkWeights(spec, read);
  assert.deepEqual(new Map(read), new Map(weights));
  await Deno.remove(path);
});
