import { join } from "node:path";
import type { DatasetManifest, FederationManifest } from "../../formats/dataset_manifest.ts";
import { FedKimError } from "../../formats/errors.ts";
import { writeNpy } from "../../formats/npy.ts";
import type { OnProgress } from "../../formats/progress.ts";
import { type GeneratedSet, generateSet } from "./generate_set.ts";
import { manifestOf, SET_NAMES, type SetName } from "./manifests.ts";
import { SITE_PROFILES } from "./site_profile.ts";

/** Sizes of one part: patients for icu and cxr, people (12 windows each) for ecg, pictures for vqa. */
export type PatientCounts = Readonly<Record<SetName, number>>;

/** What kind of part a folder is. */
export type PartKind = "site" | "public" | "test";

/** Sizes that give a demo of about a minute: some 130 stays, 70 X-rays, 130 ECG windows, 70 questions a site. */
export const DEFAULT_PATIENTS: Readonly<Record<PartKind, PatientCounts>> = {
  site: { icu: 105, cxr: 46, ecg: 11, vqa: 12 },
  public: { icu: 155, cxr: 66, ecg: 17, vqa: 24 },
  test: { icu: 155, cxr: 66, ecg: 21, vqa: 24 },
};

/** How a synthetic federation is made. */
export interface SynthesisOptions {
  /** Seed, a safe integer; the same seed and sizes give the same bytes. */
  readonly seed: number;
  /** Sizes that differ from {@link DEFAULT_PATIENTS}, by kind of part and set. */
  readonly patients?: Partial<Readonly<Record<PartKind, Partial<PatientCounts>>>>;
  /** Called after every set. */
  readonly onProgress?: OnProgress;
}

/** What was written for one set. */
export interface SetSummary {
  /** Records written. */
  readonly records: number;
  /** Different patients, people or pictures among them. */
  readonly patients: number;
}

/** What {@link synthesizeFederation} wrote. */
export interface SynthesisSummary {
  /** The folder with `federation.json`. */
  readonly dir: string;
  /** The seed. */
  readonly seed: number;
  /** Records and patients of every set of every part, by folder name. */
  readonly parts: Readonly<Record<string, Readonly<Record<SetName, SetSummary>>>>;
}

/** Most patients of one set and part: beyond it the arrays no longer fit a demo's memory. */
const MOST_PATIENTS = 20_000;

/** The sizes of a part, checked. */
function countsOf(folder: string, options: SynthesisOptions): PatientCounts {
  const kind: PartKind = folder === "public" || folder === "test" ? folder : "site";
  const counts = { ...DEFAULT_PATIENTS[kind], ...options.patients?.[kind] };
  for (const name of SET_NAMES) {
    if (!Number.isInteger(counts[name]) || counts[name] < 1 || counts[name] > MOST_PATIENTS) {
      throw new FedKimError("ConfigError", `The number of ${name} patients of ${kind} is not usable.`, {
        found: String(counts[name]),
        needed: `an integer from 1 to ${MOST_PATIENTS}`,
      });
    }
  }
  return counts;
}

/** Refuses to write among files that are there already. */
async function requireEmpty(dir: string): Promise<void> {
  await Deno.mkdir(dir, { recursive: true }).catch((cause) => {
    throw new FedKimError("ConfigError", "The folder for the synthetic federation cannot be made.", {
      found: dir,
      needed: "a folder that this user may create",
      cause,
    });
  });
  for await (const entry of Deno.readDir(dir)) {
    throw new FedKimError("ConfigError", "The folder for the synthetic federation is not empty.", {
      found: `${entry.name} in ${dir}`,
      needed: "a new or an empty folder",
      remedy: "name another folder or delete this one",
    });
  }
}

/** Writes one `fedkim-dataset/1` folder. */
async function writeSet(dir: string, manifest: DatasetManifest, set: GeneratedSet): Promise<SetSummary> {
  await Deno.mkdir(dir, { recursive: true });
  for (const { file, shape, data } of set.arrays) {
    await Deno.writeFile(join(dir, file), writeNpy({ shape, data }));
  }
  await Deno.writeTextFile(
    join(dir, "records.jsonl"),
    set.records.map((record) => JSON.stringify(record) + "\n").join(""),
  );
  await Deno.writeTextFile(join(dir, "dataset.json"), JSON.stringify(manifest, null, 2) + "\n");
  return { records: set.records.length, patients: new Set(set.records.map(({ patient }) => patient)).size };
}

/**
 * Writes a synthetic federation of the same format and tasks as the real one: four sites, `public/` and `test/`, each
 * with the sets icu, cxr, ecg and vqa. `federation.json` comes last, so a folder with it is complete.
 * @param dir a new or empty folder
 * @throws FedKimError `ConfigError` for a folder with files in it, a seed or a size that is not usable
 */
export async function synthesizeFederation(
  dir: string,
  options: SynthesisOptions,
): Promise<SynthesisSummary> {
  if (!Number.isSafeInteger(options.seed)) {
    throw new FedKimError("ConfigError", "The seed of the synthetic data is not usable.", {
      found: String(options.seed),
      needed: "an integer of at most 53 bits",
    });
  }
  const plan = SITE_PROFILES.map((profile) => ({ profile, counts: countsOf(profile.folder, options) }));
  await requireEmpty(dir);
  const parts: Record<string, Record<SetName, SetSummary>> = {};
  const total = plan.length * SET_NAMES.length;
  let done = 0;
  for (const { profile, counts } of plan) {
    const summaries: [SetName, SetSummary][] = [];
    for (const name of SET_NAMES) {
      const set = generateSet(name, options.seed, profile, counts[name]);
      const folder = join(dir, profile.folder, name);
      summaries.push([name, await writeSet(folder, manifestOf(name, options.seed), set)]);
      options.onProgress?.({ stage: "synthesize", done: ++done, total, detail: `${profile.folder}/${name}` });
    }
    parts[profile.folder] = Object.fromEntries(summaries) as Record<SetName, SetSummary>;
  }
  const sites = SITE_PROFILES.map(({ folder }) => folder).filter((folder) => folder.startsWith("site-"));
  const federation: FederationManifest = {
    format: "fedkim-federation/1",
    sites,
    public: "public",
    test: "test",
  };
  await Deno.writeTextFile(join(dir, "federation.json"), JSON.stringify(federation, null, 2) + "\n");
  return { dir, seed: options.seed, parts };
}
