import { z } from "zod";
import { type SubgroupDimension, SubgroupSchema } from "./subgroups.ts";

/** What an aggregator's configuration says about the evaluation at the sites; without it there is none. */
export interface EvaluationConfig {
  /** Epsilon of the one release, for every held-out unit, in the coalition view. */
  readonly epsilon: number;
  /** Yes-or-no tasks to evaluate; all trained ones by default. */
  readonly tasks?: readonly string[] | undefined;
  /** Score bins per task, group and label. */
  readonly bins: number;
  /** By what results are broken down. */
  readonly subgroups: readonly SubgroupDimension[];
  /** Groups with a noisy count below it are not reported. */
  readonly minimumCount: number;
  /** Public bound on the held-out units of one cell over all sites; it sizes the ring. */
  readonly maxUnits: number;
}

/** The fields of a dataset's records that say age in years and sex. */
const DEFAULT_SUBGROUPS: readonly SubgroupDimension[] = [
  { name: "age", field: "age", kind: "bands", edges: [45, 65, 80] },
  { name: "sex", field: "sex", kind: "values", values: ["Female", "Male"] },
];

/** Checks the configuration's part `evaluation`. */
export const EvaluationConfigSchema: z.ZodType<EvaluationConfig> = z.strictObject({
  epsilon: z.number().gt(0),
  tasks: z.array(z.string()).min(1).optional(),
  bins: z.number().int().min(2).max(50).default(10),
  subgroups: z.array(SubgroupSchema).max(8).default([...DEFAULT_SUBGROUPS]),
  minimumCount: z.number().int().min(1).default(20),
  maxUnits: z.number().int().min(1).max(1_000_000).default(4096),
});
