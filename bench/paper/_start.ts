import {
  createSpec,
  type LocalWeights,
  prepareFeatures,
  pretrainOnPublic,
  type SiteData,
  type SiteFeatures,
} from "../../src/local/mod.ts";
import { type ModelBase, type PublicParts, trainTasks } from "../../src/federation/public_stage.ts";
import { splitPublic } from "../../src/federation/public_split.ts";
import type { World } from "./_world.ts";

/** What a federation starts from: encoders and heads pre-trained on public data, and everybody's features. */
export interface Start extends ModelBase, PublicParts {
  readonly world: World;
  readonly base: LocalWeights;
  /** One per site. */
  readonly sites: readonly SiteFeatures[];
}

/** How a start is made. */
export interface StartOptions {
  readonly seed: number;
  /** Which fifth of the public patients is held out. */
  readonly fold?: number;
  /** A task that is treated as unseen. */
  readonly without?: string;
  /** Stems alone: encoders and heads stay untrained. */
  readonly untrained?: boolean;
}

/** Pre-trains on public data and computes all features, by the product's own functions. */
export async function makeStart(world: World, options: StartOptions): Promise<Start> {
  const { foundation } = world;
  const publicData = options.without === undefined
    ? world.publicData
    : unseen(world.publicData, options.without);
  const tasks = trainTasks(publicData, undefined);
  const { train, validation } = splitPublic(publicData, options.fold);
  const spec = createSpec(train, tasks, { tokenDimension: foundation.text.dimension });
  const base = await pretrainOnPublic(spec, train, foundation.text, {
    seed: options.seed,
    ...(options.untrained === true ? { steps: 0 } : {}),
  });
  const featuresOf = (data: SiteData): SiteFeatures => prepareFeatures(spec, base, data, foundation.text);
  return {
    ...foundation,
    world,
    spec,
    tasks,
    base,
    sites: world.sites.map(featuresOf),
    train: { data: train, features: featuresOf(train) },
    validation: { data: validation, features: featuresOf(validation) },
  };
}

/** The same data with a trained task declared unseen, so that nothing trains it. */
function unseen(data: SiteData, name: string): SiteData {
  const sets = data.sets.map((set) => {
    const tasks = set.manifest.tasks.map((task) =>
      task.name === name ? { ...task, role: "unseen" as const } : task
    );
    return { ...set, manifest: { ...set.manifest, tasks } };
  });
  return { ...data, sets };
}
