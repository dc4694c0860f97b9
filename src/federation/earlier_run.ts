import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { checkWeights, createSpec, type LocalModelSpec, type LocalWeights } from "../local/mod.ts";
import { readEncoderWeights } from "../m3oe/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { sha256Hex } from "../formats/canonical_json.ts";
import type { AggregatorConfig } from "./config.ts";
import type { FederationPlan } from "./federation_plan.ts";
import { readRunJson } from "./finished_run.ts";
import type { PublicStage } from "./public_stage.ts";
import { RUN_FILES } from "./run_folder.ts";
import { readWeights } from "./weights_file.ts";

/** What an earlier run hands on to the next one. */
export interface EarlierRun {
  /** Its local model. */
  readonly spec: LocalModelSpec;
  /** Its encoders and heads; encoders that its injection trained stand in the place of the aggregated ones. */
  readonly base: LocalWeights;
  /** SHA-256 of the token table that its sites read texts with. */
  readonly textTable: string;
}

/**
 * Opens an earlier run as the start of a new one: its encoders go back to the sites (paper, after step 3). They are
 * functions of released weights and public data, so the way back costs no privacy by itself; the new run spends its
 * own budget.
 * @param folder the earlier run's folder
 * @throws FedKimError `ConfigError` where it is not a run that got through its injection, `ModelError` where its weights
 * are not those of its model
 */
export async function openEarlierRun(folder: string): Promise<EarlierRun> {
  const { plan } = await readRunJson<{ plan: FederationPlan }>(folder, "run");
  const aggregated = await readWeights(join(folder, RUN_FILES.weights));
  const trained = await readEncoderWeights(join(folder, RUN_FILES.injection));
  const { spec, textTable } = plan.model;
  const base = new Map([...aggregated, ...trained]);
  checkWeights(spec, base);
  return { spec, base, textTable };
}

/**
 * Makes sure that an earlier run's encoders fit a new one: the same modalities, sizes and tasks, and texts read by
 * the same foundation model.
 * @throws FedKimError `ConfigError` where they do not
 */
export function checkEarlierRun(earlier: EarlierRun, config: AggregatorConfig, stage: PublicStage): void {
  const table = sha256Hex(stage.textTable);
  if (table !== earlier.textTable) {
    throw unfit(
      `a foundation model whose token table has SHA-256 ${table}`,
      `the earlier run's, ${earlier.textTable}`,
    );
  }
  const spec = createSpec(stage.train.data, stage.tasks, {
    ...config.model,
    tokenDimension: stage.text.dimension,
  });
  if (isDeepStrictEqual(JSON.parse(JSON.stringify(spec)), JSON.parse(JSON.stringify(earlier.spec)))) return;
  const names = (model: LocalModelSpec): string =>
    [...model.encoders.map(({ modality }) => modality), ...model.heads.map(({ task }) => task)].join(", ");
  throw unfit(
    `a local model with ${names(spec)}`,
    `that of the earlier run, with ${names(earlier.spec)}, in all sizes`,
  );
}

function unfit(found: string, needed: string): FedKimError {
  return new FedKimError("ConfigError", "The run cannot start from the earlier run's encoders.", {
    found,
    needed,
    remedy: "keep model, tasks, public data and foundation model as they were, or leave startFrom out",
  });
}
