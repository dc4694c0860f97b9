import { CXR_SIDE, synthesizeCxr } from "./cxr_set.ts";
import { ECG_RATE_HZ, ECG_SECONDS, synthesizeEcg } from "./ecg_set.ts";
import { synthesizeIcu } from "./icu_set.ts";
import type { SetName } from "./manifests.ts";
import type { SiteProfile } from "./site_profile.ts";
import { VQA_SIDE } from "./vqa_phantom.ts";
import { synthesizeVqa } from "./vqa_set.ts";

/** An array that a set stores in a `.npy` file. */
export interface SetArray {
  /** File name inside the set's folder. */
  readonly file: string;
  /** Shape, records first. */
  readonly shape: readonly number[];
  /** Values, row after row. */
  readonly data: Uint8Array | Int16Array;
}

/** One generated set: its records and the arrays they point into. */
export interface GeneratedSet {
  /** Lines of `records.jsonl`; every one has `id` and `patient`. */
  readonly records: readonly { readonly id: string; readonly patient: string }[];
  /** Arrays of the set. */
  readonly arrays: readonly SetArray[];
}

/**
 * Generates one set of one part in memory; the same arguments give the same set.
 * @param patients patients (icu, cxr), people (ecg) or pictures (vqa)
 */
export function generateSet(
  name: SetName,
  seed: number,
  profile: SiteProfile,
  patients: number,
): GeneratedSet {
  switch (name) {
    case "icu":
      return { records: synthesizeIcu(seed, profile, patients), arrays: [] };
    case "cxr": {
      const { records, pixels } = synthesizeCxr(seed, profile, patients);
      const shape = [records.length, CXR_SIDE, CXR_SIDE];
      return { records, arrays: [{ file: "images.npy", shape, data: pixels }] };
    }
    case "ecg": {
      const { records, samples } = synthesizeEcg(seed, profile, patients);
      const shape = [records.length, ECG_SECONDS * ECG_RATE_HZ, 1];
      return { records, arrays: [{ file: "ecg.npy", shape, data: samples }] };
    }
    case "vqa": {
      const { records, pixels } = synthesizeVqa(seed, profile, patients);
      const shape = [patients, VQA_SIDE, VQA_SIDE];
      return { records, arrays: [{ file: "images.npy", shape, data: pixels }] };
    }
  }
}
