import type { DatasetManifest, ModalityManifest, TaskManifest } from "../../src/formats/dataset_manifest.ts";
import {
  composeSite,
  type Dataset,
  type DatasetRecord,
  type Label,
  type ModalityValue,
  type SiteData,
  type TokenEmbedding,
} from "../../src/local/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";

/** A task with texts nobody reads. */
export function task(name: string, modalities: string[], extra: Partial<TaskManifest> = {}): TaskManifest {
  return {
    name,
    type: "binary",
    label: `labels.${name}`,
    question: "?",
    description: "T",
    modalities,
    modalityDescription: "M",
    role: "train",
    ...extra,
  };
}

/** A manifest around modalities and tasks. */
export function manifestOf(
  name: string,
  modalities: Record<string, ModalityManifest>,
  tasks: TaskManifest[],
  privacyUnit: DatasetManifest["privacyUnit"] = "patient",
): DatasetManifest {
  return {
    format: "fedkim-dataset/1",
    name,
    records: "records.jsonl",
    patientField: "patient",
    privacyUnit,
    licence: "CC0-1.0",
    citation: "made up",
    modalities,
    tasks,
  };
}

/** A record from plain objects. */
export function record(
  id: string,
  patient: string,
  values: Record<string, ModalityValue | null>,
  labels: Record<string, Label | null> = {},
): DatasetRecord {
  return {
    id,
    patient,
    values: new Map(Object.entries(values)),
    labels: new Map(Object.entries(labels)),
    questions: new Map(),
  };
}

/** A token table that maps every letter to a fixed vector. */
export const LETTERS: TokenEmbedding = {
  dimension: 6,
  embed: (text) =>
    Float32Array.from(
      [...text].flatMap((letter) =>
        Array.from({ length: 6 }, (_, k) => Math.sin(letter.charCodeAt(0) * (k + 1)))
      ),
    ),
};

const icu = manifestOf("icu", {
  vitals: { kind: "timeseries", field: "vitals", steps: 8, stepSeconds: 3600, channels: ["hr", "bp"] },
  labs: { kind: "vector", field: "labs", channels: ["na", "k", "crea"] },
  note: { kind: "text", field: "note" },
}, [
  task("shock", ["vitals", "labs"]),
  task("ward", ["labs", "note"], { type: "multiclass", classes: ["a", "b", "c"] }),
  task("signs", ["vitals"], { type: "multilabel", classes: ["x", "y"] }),
  task("dose", ["labs"], { type: "regression" }),
]);
const cxr = manifestOf(
  "cxr",
  { image: { kind: "image", field: "image", array: "images.npy", channels: 1 } },
  [task("pneumonia", ["image"])],
);
const ecg = manifestOf(
  "ecg",
  { ecg: { kind: "signal", field: "ecg", array: "ecg.npy", sampleRateHz: 50, unit: "uV", leads: 2 } },
  [task("pvc", ["ecg"])],
  "record",
);

/** Names of all tasks of {@link madeUpSite}. */
export const TASKS = ["shock", "ward", "signs", "dose", "pneumonia", "pvc"];

/** A small part with every kind of modality and task; patients have as many records as `sizes` says. */
export function madeUpSite(seed: number, sizes: readonly number[]): SiteData {
  const random = new SeededRandom(seed);
  const numbers = (length: number, missing: number): Float32Array =>
    Float32Array.from({ length }, () => (random.next() < missing ? NaN : 5 * random.normal() + 20));
  const bit = (): number => (random.next() < 0.4 ? 1 : 0);
  const rare = <T>(value: T): T | null => (random.next() < 0.2 ? null : value);
  const records = (make: (id: string, patient: string) => DatasetRecord, prefix: string): DatasetRecord[] =>
    sizes.flatMap((count, p) =>
      Array.from({ length: count }, (_, r) => make(`${prefix}${p}-${r}`, `${prefix}${p}`))
    );
  const datasets: Dataset[] = [
    {
      dir: "icu",
      manifest: icu,
      records: records((id, patient) =>
        record(id, patient, {
          vitals: rare({ kind: "timeseries", steps: 8, channels: 2, data: numbers(16, 0.3) }),
          labs: rare({ kind: "vector", data: numbers(3, 0.3) }),
          note: rare({ kind: "text", text: "abcdefgh".slice(random.integer(7)) }),
        }, {
          shock: rare(bit()),
          ward: rare(random.integer(3)),
          signs: rare([bit(), bit()]),
          dose: rare(random.normal()),
        }), "i"),
    },
    {
      dir: "cxr",
      manifest: cxr,
      records: records((id, patient) => {
        const data = Uint8Array.from({ length: 120 }, () => random.integer(256));
        return record(id, patient, { image: { kind: "image", height: 10, width: 12, data } }, {
          pneumonia: rare(bit()),
        });
      }, "c"),
    },
    {
      dir: "ecg",
      manifest: ecg,
      records: records((id, patient) => {
        const data = Int16Array.from({ length: 600 }, () => 1000 * random.normal());
        const signal: ModalityValue = { kind: "signal", samples: 300, leads: 2, sampleRateHz: 50, data };
        return record(id, patient, { ecg: signal }, { pvc: rare(bit()) });
      }, "e"),
    },
  ];
  return composeSite("made-up", "made-up", datasets);
}
