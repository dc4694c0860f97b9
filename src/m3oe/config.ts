import { LINEAR_NAMES, type LinearName } from "../foundation/mod.ts";
import type { TaskMixing } from "./mixing.ts";

/**
 * What is injected beside the frozen decoder: `fedkim` trains projectors, gate and experts (the paper's method),
 * `fedplug_l` projectors and one LoRA without gate, `fedplug` projectors alone (the paper's baselines).
 */
export type InjectionMethod = "fedkim" | "fedplug" | "fedplug_l";

/** A layer that can be adapted: one of the seven linear layers of every decoder layer, or the output head. */
export type TargetModule = LinearName | "lm_head";

/** All of {@link TargetModule}: the paper's choice for an InternLM2 decoder. */
export const TARGET_MODULES: readonly TargetModule[] = [...LINEAR_NAMES, "lm_head"];

/** How a sample becomes a prompt: `<bos> PREFIX [modality tokens] TEXT QUESTION SUFFIX`. */
export interface PromptForm {
  /** Text before the modality tokens. */
  readonly prefix: string;
  /** Text after the question. */
  readonly suffix: string;
  /** Text before and after a modality's tokens, by modality, e.g. `["<Img>", "</Img>"]`; none by default. */
  readonly tags: Readonly<Record<string, readonly [open: string, close: string]>>;
  /** A record's text is cut after this many tokens. */
  readonly maxTextTokens: number;
}

/** All settings of an injection. */
export interface InjectionConfig {
  /** What is trained. */
  readonly method: InjectionMethod;
  /** Number of experts E, at most 1,024. */
  readonly experts: number;
  /** Rank r of each expert. */
  readonly r: number;
  /** The update is scaled by loraAlpha / r. */
  readonly loraAlpha: number;
  /** Probability that an input of the experts is zeroed while training (Hu et al. 2021); off at inference. */
  readonly loraDropout: number;
  /** Layers that get experts. */
  readonly targetModules: readonly TargetModule[];
  /** Divides the gate's logits: below 1 sharper, above 1 flatter routing; the paper's form is 1. */
  readonly gateTemperature: number;
  /** Which description the gate reads; where one is left out, the other stands in its place (ablations). */
  readonly gateTexts: "both" | "task_only" | "modality_only";
  /** Weight of the load-balancing loss, E sum_e load_e^2 - 1 over all tasks; not part of the paper. */
  readonly loadBalance: number;
  /** Weight of the tasks' mean gate entropy over ln E: above 0 decisive, below 0 flat; not part of the paper. */
  readonly gateEntropy: number;
  /** Probability that an expert is left out of a step, the others' weights renormalised; not part of the paper. */
  readonly expertDropout: number;
  /** The prompt. */
  readonly prompt: PromptForm;
  /** Over what binary answers are normalised: the whole vocabulary, as in the paper, or yes and no alone. */
  readonly answerLoss: "vocabulary" | "answers";
  /**
   * Share lambda of a teacher's answer in the target of binary samples that have one, p = (1 - lambda) label +
   * lambda teacher (Hinton et al. 2015); not part of the paper.
   */
  readonly distillation: number;
  /**
   * Standard deviation that the teachers' logits of each task are brought to, around a mean of 0, before they become
   * targets; 0 leaves them as they are. Not part of the paper.
   */
  readonly teacherSpread: number;
  /**
   * Taught samples are replaced by random points of the lines through pairs of them, up to so many of their distances
   * beyond either, where the teacher's answer is known because it is linear; 0 for the samples themselves. Not used on
   * the input of encoders that are trained. Not part of the paper.
   */
  readonly teacherMixing: number;
  /**
   * What is a point of one line in `teacherMixing`: a whole `record`, or each `token` by itself, which leaves the span
   * of the records. The teacher's answer is then computed from the plane on which its answers to the training samples
   * lie; tasks whose teacher answers on no plane are mixed by records.
   */
  readonly teacherMixingUnit: "record" | "token";
  /** How often each task is drawn. */
  readonly mixing: TaskMixing;
  /** Passes over the samples. */
  readonly epochs: number;
  /** Samples per step, all of one task. */
  readonly batchSize: number;
  /** Parts that a step's samples are computed in, one after the other: the same step with less memory. */
  readonly accumulation: number;
  /** Peak learning rate of AdamW. */
  readonly learningRate: number;
  /** Learning rate of trained encoders over `learningRate`. */
  readonly encoderRate: number;
  /** Decoupled weight decay of matrices. */
  readonly weightDecay: number;
  /** Standard deviation of the noise on standardised tokens while training; 0 for none. */
  readonly tokenNoise: number;
  /** Bound on the global gradient norm. */
  readonly maxGradNorm: number;
  /** Share of the steps that warm up. */
  readonly warmup: number;
  /** How the learning rate falls to 0 after the warm-up; the paper's code is `linear`. */
  readonly decay: "cosine" | "linear" | "none";
  /**
   * Which epoch's weights are kept: the last one's, or those with the lowest validation loss. The loss punishes
   * confidence long before the ranking gets worse, so `validation_loss` tends to stop too early on few samples.
   */
  readonly selection: "last" | "validation_loss";
  /** With `validation_loss`: stop after so many epochs without a better one. */
  readonly patience: number;
}

/** The settings used where the caller gives none. */
export const DEFAULT_INJECTION: InjectionConfig = {
  method: "fedkim",
  experts: 6,
  r: 4,
  loraAlpha: 8,
  loraDropout: 0,
  targetModules: LINEAR_NAMES,
  gateTemperature: 1,
  gateTexts: "both",
  loadBalance: 0,
  gateEntropy: 0,
  expertDropout: 0,
  prompt: { prefix: "human :", suffix: "assistant : answer :", tags: {}, maxTextTokens: 48 },
  answerLoss: "answers",
  distillation: 0,
  teacherSpread: 0,
  teacherMixing: 0,
  teacherMixingUnit: "record",
  mixing: { kind: "proportional" },
  epochs: 4,
  batchSize: 32,
  accumulation: 1,
  learningRate: 2e-3,
  encoderRate: 0.1,
  weightDecay: 0.01,
  tokenNoise: 0,
  maxGradNorm: 1,
  warmup: 0.1,
  decay: "cosine",
  selection: "last",
  patience: 2,
};

/** Experts, rank and scaling after the method is taken into account. */
export interface ExpertShape {
  /** Number of experts; 0 without any. */
  readonly experts: number;
  /** Rank of each. */
  readonly r: number;
  /** loraAlpha / r. */
  readonly scaling: number;
}

/**
 * The expert shape of a configuration: `fedplug_l` gets one expert of the same total rank E r, with loraAlpha
 * scaled likewise so that the update's size at equal weights is the same as that of E equally weighted experts.
 *
 * @param config the configuration
 * @returns experts, rank and scaling
 */
export function expertShape({ method, experts, r, loraAlpha }: InjectionConfig): ExpertShape {
  switch (method) {
    case "fedkim":
      return { experts, r, scaling: loraAlpha / r };
    case "fedplug_l":
      return { experts: 1, r: experts * r, scaling: loraAlpha / (r * experts) };
    case "fedplug":
      return { experts: 0, r: 0, scaling: 0 };
  }
}
