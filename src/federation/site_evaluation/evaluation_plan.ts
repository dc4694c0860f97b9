import { z } from "zod";
import { createPlan, type DpPlan, type DpPlanRequest, parsePlan } from "../../dp/mod.ts";
import type { HeadSpec, LocalModelSpec } from "../../local/mod.ts";
import { FedKimError } from "../../formats/errors.ts";
import { sha256Hex } from "../../formats/canonical_json.ts";
import { heldOutName } from "../../formats/set_name.ts";
import type { EvaluationConfig } from "./evaluation_config.ts";
import { dimensionOf, type LayoutTerms } from "./layout.ts";
import { SubgroupSchema } from "./subgroups.ts";

/** The evaluation that follows the last step of a plan: one more secure sum, over held-out patients only. */
export interface EvaluationPlan extends LayoutTerms {
  /** Groups with a noisy count below it are not reported. */
  readonly minimumCount: number;
  /** Clip, noise and event of the one release; its populations are held-out patients. */
  readonly dp: DpPlan;
}

const Schema = z.strictObject({
  tasks: z.array(z.string()).min(1),
  bins: z.number().int().min(2).max(50),
  subgroups: z.array(SubgroupSchema).max(8),
  minimumCount: z.number().int().min(1),
  dp: z.unknown(),
});

/** Reads an evaluation plan and recomputes its privacy numbers. @throws FedKimError as `parsePlan`, or `FormatError` */
export function parseEvaluationPlan(value: unknown): EvaluationPlan {
  const parsed = Schema.safeParse(value);
  if (parsed.success) return { ...parsed.data, dp: parsePlan(parsed.data.dp) };
  const issue = parsed.error.issues[0];
  throw new FedKimError("FormatError", "The plan's evaluation does not have the form of this version.", {
    found: `evaluation.${issue.path.join(".")}: ${issue.message}`,
    needed: "an evaluation of a fedkim-plan/1 of the same FedKIM version",
  });
}

/**
 * Name under which a ledger accounts for the held-out patients of a set. They are never trained on and the others are
 * never evaluated on, so the two populations compose in parallel (McSherry 2009, theorem 4).
 */
export function heldOutPopulation(set: string): string {
  return heldOutName(set);
}

/** Under what a ledger books the evaluation of a plan: the plan's own hash stands for its training steps. */
export function evaluationHash(planHash: string): string {
  return sha256Hex(`fedkim/evaluation/1:${planHash}`);
}

/** What an evaluation plan is made from beside the configuration. */
export interface EvaluationPlanTerms {
  /** The local model, whose heads are evaluated. */
  readonly spec: LocalModelSpec;
  /** Cohort, relation and delta are those of the training. */
  readonly training: Required<DpPlanRequest>;
}

/**
 * The evaluation that a configuration asks for. A unit's contribution to a task is the mean over its labelled records,
 * of norm at most 1, so over the tasks of a set its norm is at most the root of their number, which is the clip.
 * @throws FedKimError `UnknownTask` for a task without a yes-or-no head, `ConfigError` as `createPlan`
 */
export function makeEvaluationPlan(
  config: EvaluationConfig,
  { spec, training }: EvaluationPlanTerms,
): EvaluationPlan {
  const heads = evaluatedHeads(config, spec);
  const terms = { tasks: heads.map(({ task }) => task), bins: config.bins, subgroups: config.subgroups };
  const { neighboring, cohort, delta, floatSlack } = training;
  const dp = createPlan({
    populations: training.populations.flatMap(({ name, unit, maxSitesPerUnit }) => {
      const tasks = heads.filter(({ set }) => set === name).length;
      if (tasks === 0) return [];
      return [{
        name: heldOutPopulation(name),
        unit,
        samplingRate: 1,
        maxGradNorm: Math.sqrt(tasks),
        ...(maxSitesPerUnit === undefined ? {} : { maxSitesPerUnit }),
      }];
    }),
    setsAreDisjoint: training.setsAreDisjoint,
    neighboring,
    steps: 1,
    dimension: dimensionOf(terms),
    cohort,
    profile: { type: "strict" },
    maxUnitsPerStep: config.maxUnits,
    delta,
    target: { epsilon: config.epsilon },
    floatSlack,
  });
  return { ...terms, minimumCount: config.minimumCount, dp };
}

function evaluatedHeads(config: EvaluationConfig, spec: LocalModelSpec): readonly HeadSpec[] {
  const binary = spec.heads.filter(({ type }) => type === "binary");
  const wanted = config.tasks ?? binary.map(({ task }) => task);
  const unknown = wanted.filter((task) => !binary.some((head) => head.task === task));
  if (unknown.length === 0 && wanted.length > 0) return binary.filter(({ task }) => wanted.includes(task));
  throw new FedKimError("UnknownTask", "These tasks cannot be evaluated at the sites.", {
    found: unknown.join(", ") || "no yes-or-no task",
    needed: `trained yes-or-no tasks: ${binary.map(({ task }) => task).join(", ") || "none here"}`,
  });
}
