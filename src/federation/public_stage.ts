import {
  createSpec,
  DEFAULT_LOCAL_TRAINING,
  DEFAULT_TRAINING,
  defaultClip,
  federatedParameters,
  loadFederationPart,
  type LocalModelSpec,
  type LocalWeights,
  prepareFeatures,
  pretrainOnPublic,
  type SiteData,
  type SiteFeatures,
} from "../local/mod.ts";
import { createPlan, type DpPlan } from "../dp/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import type { OnProgress } from "../formats/progress.ts";
import { cohortOf, cohortSize } from "./cohort.ts";
import type { AggregatorConfig } from "./config.ts";
import { type FoundationBase, foundationUse, loadFoundation, openFoundation } from "./foundation_base.ts";
import { splitPublic } from "./public_split.ts";
import { encodeTextTable } from "./text_table.ts";

/** What every later stage needs to read records: the foundation model and the local model around it. */
export interface ModelBase extends FoundationBase {
  /** The local model. */
  readonly spec: LocalModelSpec;
  /** Names of the tasks that are trained. */
  readonly tasks: readonly string[];
}

/** Records of one part of the public data with their cached stem features. */
export interface PublicPart {
  /** The records. */
  readonly data: SiteData;
  /** Their stem features. */
  readonly features: SiteFeatures;
}

/** Public data for the injection: what it is trained on, and what its choices are made on. */
export interface PublicParts {
  /** Trained on. */
  readonly train: PublicPart;
  /** Held out by patient. */
  readonly validation: PublicPart;
}

/** What the server knows before any site has said a word: public data and encoders pre-trained on them. */
export interface PublicStage extends ModelBase, PublicParts {
  /** The artefact that carries tokenizer and embedding to the sites. */
  readonly textTable: Uint8Array<ArrayBuffer>;
  /** Public-pretrained weights. */
  readonly base: LocalWeights;
}

/** A model that was pre-trained before. */
export interface PretrainedModel {
  /** The local model. */
  readonly spec: LocalModelSpec;
  /** Public-pretrained weights. */
  readonly base: LocalWeights;
}

/**
 * Loads public data and foundation model, and pre-trains the encoders on public data (which costs no privacy).
 * @param config the aggregator's configuration
 * @param onProgress receives progress
 * @param pretrained the model of a run that is carried on, which is taken as it is
 */
export async function preparePublic(
  config: AggregatorConfig,
  onProgress: OnProgress,
  pretrained?: PretrainedModel,
): Promise<PublicStage> {
  const data = await loadFederationPart(config.data.public);
  const tasks = trainTasks(data, config.tasks);
  const opened = await openFoundation(config.foundationModel);
  const { train } = splitPublic(data);
  const spec = pretrained?.spec ??
    createSpec(train, tasks, { ...config.model, tokenDimension: opened.config.hiddenSize });
  const use = foundationUse("inject", spec, opened.tokenizer);
  const foundation = await loadFoundation(opened, use, onProgress);
  const { table, text } = foundation;
  const base = pretrained?.base ?? await pretrainOnPublic(spec, train, text, {
    seed: config.seed,
    onProgress: (done, total) => onProgress({ stage: "pretrain", done, total }),
  });
  const textTable = await encodeTextTable(foundation.folder, table);
  const model = { ...foundation, spec, tasks };
  return { ...model, textTable, base, ...publicParts(model, base, data) };
}

/** Splits public data by patient and computes the stem features of both parts. */
export function publicParts(model: ModelBase, weights: LocalWeights, data: SiteData): PublicParts {
  const { train, validation } = splitPublic(data);
  const withFeatures = (part: SiteData): PublicPart => ({
    data: part,
    features: prepareFeatures(model.spec, weights, part, model.text),
  });
  return { train: withFeatures(train), validation: withFeatures(validation) };
}

/** The tasks to train: those that the configuration names, or every task whose role is `train`. */
export function trainTasks(data: SiteData, wanted: readonly string[] | undefined): string[] {
  const known = data.sets.flatMap((set) => set.manifest.tasks);
  for (const name of wanted ?? []) {
    const task = known.find((candidate) => candidate.name === name);
    if (task?.role === "train") continue;
    throw new FedKimError("UnknownTask", `The task ${name} cannot be trained.`, {
      found: task === undefined
        ? "no dataset of the public part defines it"
        : "its role is unseen: it is never trained",
      needed: known.filter((candidate) => candidate.role === "train").map((candidate) => candidate.name).join(
        ", ",
      ),
    });
  }
  return wanted === undefined
    ? known.filter((task) => task.role === "train").map((task) => task.name)
    : [...wanted];
}

/** The differential-privacy plan that a configuration asks for. */
export function makeDpPlan(config: AggregatorConfig, stage: PublicStage): DpPlan {
  const clip = defaultClip(stage.spec);
  const trained = stage.train.data.sets.filter((set) =>
    set.manifest.tasks.some((task) => stage.tasks.includes(task.name))
  );
  const unknown = Object.keys({ ...config.privacy.samplingRate, ...config.privacy.maxGradNorm })
    .filter((name) => !trained.some((set) => set.name === name));
  if (unknown.length > 0) {
    throw new FedKimError(
      "ConfigError",
      "The configuration sets rates or norms for sets that are not trained.",
      {
        found: unknown.join(", "),
        needed: trained.map((set) => set.name).join(", "),
      },
    );
  }
  const local = config.mode === "local";
  return createPlan({
    populations: trained.map((set) => ({
      name: set.name,
      unit: set.manifest.privacyUnit,
      samplingRate: config.privacy.samplingRate?.[set.name] ??
        (local ? DEFAULT_LOCAL_TRAINING : DEFAULT_TRAINING).samplingRate,
      maxGradNorm: config.privacy.maxGradNorm?.[set.name] ?? clip.get(set.name)!,
    })),
    setsAreDisjoint: true,
    neighboring: config.privacy.neighboring,
    steps: config.rounds.steps ?? (local ? DEFAULT_LOCAL_TRAINING.rounds : DEFAULT_TRAINING.steps),
    profile: local ? { type: "local", stepsPerRound: config.local.steps } : { type: "strict" },
    dimension: federatedParameters(stage.spec).dimension,
    cohort: { n: cohortSize(config), nMin: cohortOf(config).nMin, colluders: config.privacy.colluders },
    maxUnitsPerStep: config.privacy.maxUnitsPerStep,
    delta: config.privacy.delta,
    target: { epsilon: config.privacy.epsilon },
  });
}
