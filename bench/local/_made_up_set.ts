import type { ModalityManifest } from "../../src/formats/dataset_manifest.ts";
import { composeSite, type ModalityValue, type SiteData } from "../../src/local/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";

/** Kinds of values that speed is measured on. */
export type MadeUpKind = "image" | "timeseries" | "signal";

const MODALITIES: Readonly<Record<MadeUpKind, ModalityManifest>> = {
  image: { kind: "image", field: "x", array: "x.npy", channels: 1 },
  timeseries: {
    kind: "timeseries",
    field: "x",
    steps: 24,
    stepSeconds: 3600,
    channels: ["heartrate", "systolic", "diastolic", "mean", "respiration", "saturation", "temperature"],
  },
  signal: { kind: "signal", field: "x", array: "x.npy", sampleRateHz: 100, unit: "uV", leads: 1 },
};

/**
 * Patients with one or more records of random numbers and a random label: speed does not depend on values.
 */
export function madeUpSet(kind: MadeUpKind, sizes: readonly number[]): SiteData {
  const random = new SeededRandom(1);
  const value = (): ModalityValue => {
    switch (kind) {
      case "image": {
        const data = Uint8Array.from({ length: 64 * 64 }, () => random.integer(256));
        return { kind, height: 64, width: 64, data };
      }
      case "timeseries": {
        const data = Float32Array.from({ length: 168 }, () => (random.next() < 0.3 ? NaN : random.normal()));
        return { kind, steps: 24, channels: 7, data };
      }
      case "signal": {
        const data = Int16Array.from({ length: 1000 }, () => 300 * random.normal());
        return { kind, samples: 1000, leads: 1, sampleRateHz: 100, data };
      }
    }
  };
  const records = sizes.flatMap((count, p) =>
    Array.from({ length: count }, (_, r) => ({
      id: `${p}-${r}`,
      patient: `p${p}`,
      values: new Map([["x", value()]]),
      labels: new Map([["task", random.integer(2)]]),
      questions: new Map<string, string>(),
    }))
  );
  const manifest = {
    format: "fedkim-dataset/1" as const,
    name: "set",
    records: "records.jsonl",
    patientField: "patient",
    privacyUnit: "patient" as const,
    licence: "CC0-1.0",
    citation: "random numbers",
    modalities: { x: MODALITIES[kind] },
    tasks: [{
      name: "task",
      type: "binary" as const,
      label: "labels.task",
      question: "?",
      description: "random",
      modalities: ["x"],
      modalityDescription: "random",
      role: "train" as const,
    }],
  };
  return composeSite("made-up", "made-up", [{ dir: "set", manifest, records }]);
}
