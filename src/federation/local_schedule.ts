import { z } from "zod";
import { DEFAULT_LOCAL_TRAINING, type LearningRateSchedule, type LocalOptimizer } from "../local/mod.ts";

/** What every site does between two aggregations in `local` mode; public constants of the signed plan. */
export interface LocalSchedule {
  /** Steps of DP-SGD. */
  readonly steps: number;
  /** A site's rule. */
  readonly optimizer: LocalOptimizer;
  /** Its step size. */
  readonly learningRate: number;
  /** The step size over the steps of one round. */
  readonly schedule: LearningRateSchedule;
  /** The step size over the rounds of the plan. */
  readonly roundSchedule: LearningRateSchedule;
  /** FedProx's mu (Li et al. 2020): pull towards the model that the round starts from; 0 = none. */
  readonly proximal: number;
  /** What every noised sum is divided by: a public guess of the units that one site samples in a step. */
  readonly expectedUnits: number;
  /** Largest l2 norm of a site's model update; it sizes the grid that updates are summed on. */
  readonly updateClip: number;
}

const decay = z.number().min(0).lt(1);
const positive = z.number().gt(0).lte(1e6);

const scheduleFrom = (last: z.ZodNumber) =>
  z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("constant") }),
    z.strictObject({ type: z.literal("linear"), last }),
    z.strictObject({ type: z.literal("cosine"), warmup: z.number().int().min(0), last }),
  ]);
const schedule = scheduleFrom(z.number().min(0).lte(1));
/** No round has a step size of zero: it would spend privacy for nothing. */
const roundSchedule = scheduleFrom(z.number().gt(0).lte(1));

/** Checks a schedule that stands in a plan or a configuration. */
export const LocalScheduleSchema = z.strictObject({
  steps: z.number().int().min(1).max(10_000),
  optimizer: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("sgd"), momentum: decay }),
    z.strictObject({ type: z.literal("adam"), beta1: decay, beta2: decay, epsilon: positive }),
  ]),
  learningRate: positive,
  schedule,
  roundSchedule,
  proximal: z.number().min(0).lte(1e6),
  expectedUnits: positive,
  updateClip: z.number().gt(0).lte(1000),
});

const { rounds: _rounds, samplingRate: _rate, ...DEFAULT_SCHEDULE } = DEFAULT_LOCAL_TRAINING;

/** The same for a configuration, whose missing fields have defaults. */
export const LocalScheduleConfigSchema = z.strictObject({
  steps: LocalScheduleSchema.shape.steps.default(DEFAULT_SCHEDULE.steps),
  optimizer: LocalScheduleSchema.shape.optimizer.default(DEFAULT_SCHEDULE.optimizer),
  learningRate: LocalScheduleSchema.shape.learningRate.default(DEFAULT_SCHEDULE.learningRate),
  schedule: schedule.default(DEFAULT_SCHEDULE.schedule),
  roundSchedule: roundSchedule.default(DEFAULT_SCHEDULE.roundSchedule),
  proximal: LocalScheduleSchema.shape.proximal.default(DEFAULT_SCHEDULE.proximal),
  expectedUnits: LocalScheduleSchema.shape.expectedUnits.default(DEFAULT_SCHEDULE.expectedUnits),
  updateClip: LocalScheduleSchema.shape.updateClip.default(DEFAULT_SCHEDULE.updateClip),
});
