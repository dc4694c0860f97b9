/**
 * Quality of the local models on a federation folder, as AUROC on the test part: public pre-training, private
 * training in both modes (simulated in one process: Poisson sampling, per-unit clipping, Gaussian noise as
 * the accountant calibrates it) at several epsilons, and training without privacy. Every setting is a default
 * of `src/local`; the test part is read by these frozen settings only. Writes `docs/results.md`.
 *
 *     deno run -A bench/local/quality.ts [DATA] [--seeds N] [--epsilon E,E,...] [--modes M,M] [--validate]
 *
 * With `--validate`, models are pre-trained on one half of the public patients and judged on the other half,
 * and the test part stays closed: the figures to choose settings by.
 *
 * @module
 */
import { parseArgs } from "node:util";
import {
  createSpec,
  DEFAULT_PRETRAINING,
  loadFederationPart,
  prepareFeatures,
  pretrainOnPublic,
  readFederation,
  type SiteData,
  type TokenEmbedding,
  trainWithoutPrivacy,
} from "../../src/local/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { type Method, writeResults } from "./_results_page.ts";
import { type Mode, noiseFor, publicOnly, type Row, trained, type Trial } from "./_trials.ts";

/** A stand-in for a language model's table: a fixed random vector per word. */
const WORDS: TokenEmbedding = {
  dimension: 64,
  embed: (text) =>
    Float32Array.from((text.toLowerCase().match(/[a-z0-9]+/g) ?? []).flatMap((word) => {
      let hash = 2166136261;
      for (const letter of word) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619);
      const random = new SeededRandom(hash >>> 0);
      return Array.from({ length: 64 }, () => random.normal());
    })),
};

/** Half of the patients, by a hash of their identifier. */
function half(data: SiteData, first: boolean): SiteData {
  const inFirst = (patient: string): boolean => {
    let hash = 2166136261;
    for (const letter of patient) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619);
    return ((hash >>> 8) & 1) === 0;
  };
  const sets = data.sets.map((set) => {
    const keep = set.records.map(({ patient }) => inFirst(patient) === first);
    return {
      ...set,
      records: set.records.filter((_, i) => keep[i]),
      units: set.units.filter((_, i) => keep[i]),
    };
  });
  return { ...data, sets };
}

/** What to run. */
export interface QualityOptions {
  /** Folder of a federation. */
  readonly data: string;
  /** Runs per method. */
  readonly seeds: number;
  /** Epsilons of the table; Infinity = no clip and no noise. */
  readonly epsilons: readonly number[];
  /** Privacy modes. */
  readonly modes: readonly Mode[];
  /** Judge on halves of the public part. */
  readonly validate: boolean;
}

/** The whole table of `docs/results.md`. */
export const FULL_TABLE: Omit<QualityOptions, "data"> = {
  seeds: 3,
  epsilons: [0.5, 1, 2, 4, 8, Infinity],
  modes: ["distributed", "local"],
  validate: false,
};

/** Runs every method with every seed; a line on stderr after each. */
export async function measureQuality(options: QualityOptions): Promise<Method[]> {
  await selectBackend("wasm");
  const folders = await readFederation(options.data);
  const publicData = await loadFederationPart(folders.public);
  const sites = await Promise.all(folders.sites.map((site) => loadFederationPart(site.dir)));
  const tasks = publicData.sets.flatMap((set) => set.manifest.tasks).filter((task) => task.role === "train");
  const spec = createSpec(publicData, tasks.map((task) => task.name), { tokenDimension: WORDS.dimension });
  const wanted = options.modes.flatMap((mode) =>
    options.epsilons.map((epsilon) => {
      const noise = epsilon === Infinity ? undefined : noiseFor(mode, epsilon, spec, sites.length);
      return { mode, epsilon, noise };
    })
  );
  const rows = new Map<string, Row[]>();
  const add = (name: string, row: Row): void => {
    rows.set(name, [...rows.get(name) ?? [], row]);
    console.error(
      name,
      JSON.stringify(row, (_, value) => typeof value === "number" ? +value.toFixed(3) : value),
    );
  };
  for (let seed = 1; seed <= options.seeds; seed++) {
    const base = await pretrainOnPublic(spec, publicData, WORDS, { seed, steps: 0 });
    const features = sites.map((site) => prepareFeatures(spec, base, site, WORDS));
    const splits = options.validate
      ? [true, false].map((first) => [half(publicData, first), half(publicData, !first)])
      : [[publicData, await loadFederationPart(folders.test)]];
    for (const [train, judge] of splits) {
      const own = prepareFeatures(spec, base, train, WORDS);
      const start = await trainWithoutPrivacy(spec, base, own, { ...DEFAULT_PRETRAINING, seed });
      const judged = prepareFeatures(spec, base, judge, WORDS);
      const trial: Trial = { spec, start, sites: features, judged, seed };
      add("public", await publicOnly(trial));
      for (const { mode, epsilon, noise } of wanted) {
        add(`${mode} ${epsilon}`, await trained(trial, mode, noise));
      }
    }
  }
  return [
    { mode: "public", epsilon: 0, noise: undefined, rows: rows.get("public") ?? [] },
    ...wanted.map((method) => ({ ...method, rows: rows.get(`${method.mode} ${method.epsilon}`) ?? [] })),
  ];
}

/** `deno task bench quality`: the whole table on the shared data, written to `docs/`. */
export async function runQualityBench(): Promise<void> {
  const root = new URL("../../", import.meta.url);
  const data = `${Deno.env.get("FEDKIM_SHARED") ?? new URL("../shared", root).pathname}/data/federated`;
  const methods = await measureQuality({ ...FULL_TABLE, data });
  await writeResults(root, data, methods);
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: {
      seeds: { type: "string", default: "3" },
      epsilon: { type: "string", default: "8" },
      modes: { type: "string", default: "distributed,local" },
      validate: { type: "boolean", default: false },
    },
    allowPositionals: true,
  });
  const methods = await measureQuality({
    data: positionals[0] ?? "../shared/data/federated",
    seeds: Number(values.seeds),
    epsilons: values.epsilon.split(",").map(Number),
    modes: values.modes.split(",") as Mode[],
    validate: values.validate,
  });
  for (const { mode, epsilon, rows } of methods) {
    const tasks = Object.keys(rows[0]);
    const mean = (task: string): number => rows.reduce((sum, row) => sum + row[task] / rows.length, 0);
    const clinical = tasks.filter((task) => !task.startsWith("vqa"));
    const overall = clinical.reduce((sum, task) => sum + mean(task) / clinical.length, 0);
    console.log(
      mode,
      epsilon,
      overall.toFixed(4),
      tasks.map((task) => `${task} ${mean(task).toFixed(3)}`).join("  "),
    );
  }
}
