import { join } from "node:path";
import type { DatasetManifest } from "../../src/formats/dataset_manifest.ts";
import {
  createSpec,
  loadFederationPart,
  type LocalModelSpec,
  type LocalWeights,
} from "../../src/local/mod.ts";
import { pretrainOnPublic } from "../../src/local/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { manifestOf, task } from "./_fixtures.ts";

const LABS = ["na", "k", "crea", "lactate"];

const manifest: DatasetManifest = manifestOf(
  "icu",
  { labs: { kind: "vector", field: "labs", channels: LABS } },
  [task("shock", ["labs"]), task("ward", ["labs"], { type: "multiclass", classes: ["a", "b", "c"] })],
);

/** One line of a light record: four numbers and two labels; every patient has three records that lie apart. */
function line(random: SeededRandom, number: number, patients: number): string {
  const labs = LABS.map(() => (random.next() < 0.2 ? null : Math.round(1000 * random.normal()) / 1000));
  const shock = (labs[0] ?? 0) + random.normal() > 0.5 ? 1 : 0;
  const ward = random.next() < 0.1 ? null : random.integer(3);
  return JSON.stringify({
    id: `r${number}`,
    patient: `p${number % patients}`,
    labs,
    labels: { shock, ward },
  });
}

/** Writes a part of a federation with one set of light records, without holding them. */
export async function writeLightPart(dir: string, records: number, seed: number): Promise<void> {
  const folder = join(dir, "icu");
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, "dataset.json"), JSON.stringify(manifest));
  using file = await Deno.open(join(folder, "records.jsonl"), { create: true, write: true, truncate: true });
  const random = new SeededRandom(seed);
  const encoder = new TextEncoder();
  const patients = Math.ceil(records / 3);
  for (let start = 0; start < records; start += 2000) {
    const lines: string[] = [];
    for (let i = start; i < Math.min(records, start + 2000); i++) lines.push(line(random, i, patients));
    const bytes = encoder.encode(lines.join("\n") + "\n");
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  }
}

/** A model pre-trained on a small part of the same form. */
export async function lightModel(dir: string): Promise<{ spec: LocalModelSpec; weights: LocalWeights }> {
  await writeLightPart(dir, 60, 1);
  const data = await loadFederationPart(dir);
  const spec = createSpec(data, ["shock", "ward"]);
  return { spec, weights: await pretrainOnPublic(spec, data, undefined, { seed: 1, steps: 5 }) };
}
