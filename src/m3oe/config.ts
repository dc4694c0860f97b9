import { FedKimError } from "../formats/errors.ts";
import { LINEAR_NAMES, type LinearName } from "../foundation/mod.ts";

/**
 * What is injected beside the frozen decoder: `fedkim` trains projectors, gate and experts (the paper's method),
 * `fedplug_l` projectors and one LoRA without gate, `fedplug` projectors alone (the paper's baselines).
 */
export type InjectionMethod = "fedkim" | "fedplug" | "fedplug_l";

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
  /** Number of experts E. */
  readonly experts: number;
  /** Rank r of each expert. */
  readonly r: number;
  /** The update is scaled by loraAlpha / r. */
  readonly loraAlpha: number;
  /** Linear layers that get experts. */
  readonly targetModules: readonly LinearName[];
  /** The prompt. */
  readonly prompt: PromptForm;
  /** Over what binary answers are normalised: the whole vocabulary, as in the paper, or yes and no alone. */
  readonly answerLoss: "vocabulary" | "answers";
  /** Passes over the samples. */
  readonly epochs: number;
  /** Samples per step, all of one task. */
  readonly batchSize: number;
  /** Peak learning rate of AdamW. */
  readonly learningRate: number;
  /** Decoupled weight decay of matrices. */
  readonly weightDecay: number;
  /** Standard deviation of the noise on standardised tokens while training; 0 for none. */
  readonly tokenNoise: number;
  /** Bound on the global gradient norm. */
  readonly maxGradNorm: number;
  /** Share of the steps that warm up. */
  readonly warmup: number;
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
  targetModules: LINEAR_NAMES,
  prompt: { prefix: "human :", suffix: "assistant : answer :", tags: {}, maxTextTokens: 48 },
  answerLoss: "answers",
  epochs: 4,
  batchSize: 32,
  learningRate: 2e-3,
  weightDecay: 0.01,
  tokenNoise: 0,
  maxGradNorm: 1,
  warmup: 0.1,
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

/**
 * Completes and checks a configuration.
 *
 * @param partial the caller's choices
 * @param widths smallest width of every linear layer, bound of the rank
 * @returns the full configuration
 * @throws FedKimError `ConfigError` for values that cannot work
 */
export function resolveInjectionConfig(
  partial: Partial<InjectionConfig>,
  widths: Readonly<Record<LinearName, number>>,
): InjectionConfig {
  const config = { ...DEFAULT_INJECTION, ...partial };
  const whole = (name: "experts" | "r" | "epochs" | "batchSize" | "patience"): void => {
    if (!Number.isSafeInteger(config[name]) || config[name] < 1) {
      throw invalid(`${name} = ${config[name]}`, "a positive integer");
    }
  };
  (["experts", "r", "epochs", "batchSize", "patience"] as const).forEach(whole);
  for (const name of ["loraAlpha", "learningRate", "maxGradNorm"] as const) {
    if (!(config[name] > 0 && Number.isFinite(config[name]))) {
      throw invalid(`${name} = ${config[name]}`, "a positive number");
    }
  }
  if (!(config.weightDecay >= 0 && config.tokenNoise >= 0) || !(config.warmup >= 0 && config.warmup < 1)) {
    throw invalid(
      `weightDecay ${config.weightDecay}, tokenNoise ${config.tokenNoise}, warmup ${config.warmup}`,
      "weightDecay >= 0, tokenNoise >= 0, 0 <= warmup < 1",
    );
  }
  for (const name of config.targetModules) {
    if (!LINEAR_NAMES.includes(name)) throw invalid(`target module ${name}`, LINEAR_NAMES.join(", "));
    if (config.method !== "fedplug" && config.r > widths[name]) {
      throw invalid(`rank ${config.r} at ${name} of width ${widths[name]}`, "a rank not above the width");
    }
  }
  if (config.method !== "fedplug" && config.targetModules.length === 0) {
    throw invalid("no target modules", "at least one of " + LINEAR_NAMES.join(", "));
  }
  return config;
}

function invalid(found: string, needed: string): FedKimError {
  return new FedKimError("ConfigError", "The injection's configuration cannot be used.", { found, needed });
}
