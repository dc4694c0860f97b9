import { FedKimError } from "../src/formats/errors.ts";
import {
  createSpec,
  type LocalModelSpec,
  type LocalWeights,
  prepareFeatures,
  pretrainOnPublic,
  type SiteData,
  type SiteFeatures,
  type TaskManifest,
} from "../src/local/mod.ts";

/** Name of the artificial task whose head the canaries train. */
export const AUDIT_TASK = "audit_canary";
/** Outputs of that head: with 31 directions of a token of width 32 they hold 13,950 canaries. */
const OUTPUTS = 450;
/** A few steps, so that the encoders of the audited model are not at their starting point. */
const PRETRAINING_STEPS = 5;

/** A local model with one artificial task beside the real ones, and a site's features for it. */
export interface AuditModel {
  /** The model. */
  readonly spec: LocalModelSpec;
  /** Its weights; the head of {@link AUDIT_TASK} is zero. */
  readonly weights: LocalWeights;
  /** The site's real records; none is labelled for {@link AUDIT_TASK}. */
  readonly features: SiteFeatures;
  /** Every set and its privacy unit. */
  readonly units: ReadonlyMap<string, "patient" | "image" | "record">;
  /** The set that canaries join, and the modality that they have. */
  readonly target: { readonly set: string; readonly modality: string };
}

/** The local model that a site's own data would train, with the artificial task. Nothing of it leaves the machine. */
export async function makeAuditModel(data: SiteData, seed: number): Promise<AuditModel> {
  const target = targetOf(data);
  const task: TaskManifest = {
    name: AUDIT_TASK,
    type: "multilabel",
    label: `labels.${AUDIT_TASK}`,
    question: "Which canary is this?",
    description: "Artificial task of a privacy audit.",
    modalities: [target.modality],
    modalityDescription: "Artificial records.",
    role: "train",
    classes: Array.from({ length: OUTPUTS }, (_, k) => `canary${k}`),
  };
  const sets = data.sets.map((set) => {
    if (set.name !== target.set) return set;
    return { ...set, manifest: { ...set.manifest, tasks: [...set.manifest.tasks, task] } };
  });
  const extended = { ...data, sets };
  const spec = createSpec(extended, [...trainable(data), AUDIT_TASK]);
  const weights = await pretrainOnPublic(spec, extended, undefined, { seed, steps: PRETRAINING_STEPS });
  return {
    spec,
    weights,
    features: prepareFeatures(spec, weights, extended),
    units: new Map(data.sets.map((set) => [set.name, set.manifest.privacyUnit])),
    target,
  };
}

/** The first set with an encoder, and that encoder's modality. */
function targetOf(data: SiteData): AuditModel["target"] {
  for (const { name, manifest } of data.sets) {
    const modality = Object.entries(manifest.modalities).find(([, { kind }]) => kind !== "text")?.[0];
    if (modality !== undefined) return { set: name, modality };
  }
  throw new FedKimError("DatasetError", "No set of this folder can take part in an audit.", {
    found: data.sets.map(({ name }) => name).join(", "),
    needed: "a set with an image, a signal, a time series or a vector",
  });
}

/** Tasks of role train that need no text encoder. */
function trainable(data: SiteData): string[] {
  return data.sets.flatMap(({ manifest }) =>
    manifest.tasks.filter(({ role, modalities }) =>
      role === "train" && modalities.some((name) => manifest.modalities[name]?.kind !== "text")
    ).map(({ name }) => name)
  );
}
