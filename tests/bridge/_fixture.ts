import { join } from "node:path";
import { writeSafetensors } from "../../src/formats/safetensors.ts";
import { EMBEDDED_MODEL_FOLDER } from "../../src/foundation/mod.ts";
import {
  createSpec,
  encodeRecords,
  loadFederationPart,
  type LocalModelOptions,
  type LocalModelSpec,
  type LocalWeights,
  prepareFeatures,
  pretrainOnPublic,
  type SiteData,
} from "../../src/local/mod.ts";
import { synthesizeFederation } from "../../src/local/synthesize/mod.ts";
import { loadFoundation } from "../../src/federation/foundation_base.ts";
import { encodeWeights } from "../../src/federation/weights_file.ts";
import { selectBackend } from "../../src/tensor/mod.ts";

/** The base that all tests of the bridge use. */
export const BASE_FOLDER = EMBEDDED_MODEL_FOLDER;

/** A small finished run and its public data, as the bridge finds them. */
export interface BridgeFixture {
  /** Folder of the base. */
  readonly base: string;
  /** Folder of public datasets. */
  readonly data: string;
  /** Run folders by the kind of their encoders. */
  readonly runs: Readonly<Record<EncoderKind, string>>;
  /** Tokens that FedKIM computes, by the kind of encoders: safetensors, `SET/MODALITY` and `SET/MODALITY/present`. */
  readonly tokens: Readonly<Record<EncoderKind, string>>;
}

/** Whitened components with a residual layer, or attention over patches. */
export type EncoderKind = "residual" | "attention";

const KINDS: Readonly<Record<EncoderKind, Partial<LocalModelOptions>>> = {
  residual: {},
  attention: {
    attention: {
      timeseries: { tokens: 4 },
      signal: { tokens: 5 },
      image: { tokens: 16, blocks: 2 },
      vector: {},
    },
  },
};

const FEW = { icu: 1, cxr: 1, ecg: 1, vqa: 1 };

/** Makes synthetic public data, pre-trains encoders on them and writes what an aggregator leaves behind. */
export async function makeFixture(dir: string): Promise<BridgeFixture> {
  await selectBackend("wasm");
  await synthesizeFederation(join(dir, "federation"), {
    seed: 11,
    patients: { site: FEW, test: FEW, public: { icu: 28, cxr: 18, ecg: 3, vqa: 8 } },
  });
  const data = join(dir, "federation", "public");
  const part = await loadFederationPart(data);
  const foundation = await loadFoundation(BASE_FOLDER);
  const tasks = part.sets.flatMap(({ manifest }) => manifest.tasks)
    .filter(({ role }) => role === "train").map(({ name }) => name);
  for (const kind of Object.keys(KINDS) as EncoderKind[]) {
    const spec = createSpec(part, tasks, { tokenDimension: foundation.text.dimension, ...KINDS[kind] });
    const weights = await pretrainOnPublic(spec, part, foundation.text, { seed: 5, steps: 8 });
    await writeRun(join(dir, kind), tasks, spec, weights);
    const features = prepareFeatures(spec, weights, part, foundation.text);
    await writeTokens(join(dir, `${kind}.safetensors`), part, spec, weights, features);
  }
  foundation.decoder.dispose();
  const paths = (suffix: string) => ({
    residual: join(dir, `residual${suffix}`),
    attention: join(dir, `attention${suffix}`),
  });
  return { base: BASE_FOLDER, data, runs: paths(""), tokens: paths(".safetensors") };
}

async function writeRun(
  dir: string,
  tasks: readonly string[],
  spec: LocalModelSpec,
  weights: LocalWeights,
): Promise<void> {
  await Deno.mkdir(join(dir, "checkpoints"), { recursive: true });
  await Deno.writeFile(join(dir, "checkpoints", "encoders.safetensors"), encodeWeights(weights));
  const plan = { format: "fedkim-plan/1", tasks, model: { spec } };
  const config = { foundationModel: BASE_FOLDER, seed: 3, injection: { epochs: 1 } };
  await Deno.writeTextFile(join(dir, "run.json"), JSON.stringify({ plan, config }));
}

async function writeTokens(
  path: string,
  part: SiteData,
  spec: LocalModelSpec,
  weights: LocalWeights,
  features: ReturnType<typeof prepareFeatures>,
): Promise<void> {
  const tensors = new Map();
  for (const { name, manifest } of part.sets) {
    for (const [modality, { kind }] of Object.entries(manifest.modalities)) {
      if (kind === "text") continue;
      const encoded = await encodeRecords(spec, weights, features.sets.get(name)!, modality);
      const rows = encoded.present.length;
      const shape = [rows, encoded.tokens, encoded.dEnc];
      tensors.set(`${name}/${modality}`, { dtype: "F32", shape, values: encoded.data });
      tensors.set(`${name}/${modality}/present`, { dtype: "U8", shape: [rows], values: encoded.present });
    }
  }
  await writeSafetensors(path, tensors, {});
}

if (import.meta.main) {
  console.log(JSON.stringify(await makeFixture(Deno.args[0])));
}
