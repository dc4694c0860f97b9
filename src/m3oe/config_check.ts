import { FedKimError } from "../formats/errors.ts";
import { type DecoderConfig, linearShapes } from "../foundation/mod.ts";
import { DEFAULT_INJECTION, type InjectionConfig, TARGET_MODULES, type TargetModule } from "./config.ts";

type NumberField = { [K in keyof InjectionConfig]: InjectionConfig[K] extends number ? K : never }[
  keyof InjectionConfig
];

/** One rule for numbers: what is needed in words, and the test. */
interface NumberRule {
  readonly needed: string;
  readonly holds: (value: number) => boolean;
}

const COUNT: NumberRule = { needed: "a positive integer", holds: (x) => Number.isSafeInteger(x) && x >= 1 };
const EXPERTS: NumberRule = { needed: "from 1 to 1024", holds: (x) => COUNT.holds(x) && x <= 1024 };
const POSITIVE: NumberRule = { needed: "a positive number", holds: (x) => x > 0 && Number.isFinite(x) };
const NOT_NEGATIVE: NumberRule = { needed: "0 or a positive number", holds: (x) => x >= 0 && x < Infinity };
const SHARE: NumberRule = { needed: "at least 0 and below 1", holds: (x) => x >= 0 && x < 1 };
const PROBABILITY: NumberRule = { needed: "at least 0 and at most 1", holds: (x) => x >= 0 && x <= 1 };
const FINITE: NumberRule = { needed: "a finite number", holds: Number.isFinite };

const RULES: Readonly<Record<NumberField, NumberRule>> = {
  experts: EXPERTS,
  r: COUNT,
  epochs: COUNT,
  batchSize: COUNT,
  accumulation: COUNT,
  patience: COUNT,
  loraAlpha: POSITIVE,
  learningRate: POSITIVE,
  encoderRate: POSITIVE,
  maxGradNorm: POSITIVE,
  gateTemperature: POSITIVE,
  weightDecay: NOT_NEGATIVE,
  tokenNoise: NOT_NEGATIVE,
  loadBalance: NOT_NEGATIVE,
  teacherSpread: NOT_NEGATIVE,
  teacherMixing: NOT_NEGATIVE,
  gateEntropy: FINITE,
  warmup: SHARE,
  distillation: PROBABILITY,
  loraDropout: SHARE,
  expertDropout: SHARE,
};

const CHOICES = {
  method: ["fedkim", "fedplug", "fedplug_l"],
  answerLoss: ["vocabulary", "answers"],
  decay: ["cosine", "linear", "none"],
  gateTexts: ["both", "task_only", "modality_only"],
  selection: ["last", "validation_loss"],
  teacherMixingUnit: ["record", "token"],
} as const;

/**
 * The smaller of a layer's two widths: the rank of an update cannot usefully exceed it.
 *
 * @param decoder the base's architecture
 * @param module the layer
 * @returns width in features
 */
export function smallestWidth(decoder: DecoderConfig, module: TargetModule): number {
  return module === "lm_head"
    ? Math.min(decoder.hiddenSize, decoder.vocabSize)
    : Math.min(...linearShapes(decoder)[module]);
}

/**
 * Completes and checks a configuration.
 *
 * @param partial the caller's choices
 * @param decoder the base's architecture: its widths bound the rank
 * @returns the full configuration
 * @throws FedKimError `ConfigError` for values that cannot work
 */
export function resolveInjectionConfig(
  partial: Partial<InjectionConfig>,
  decoder: DecoderConfig,
): InjectionConfig {
  const config = { ...DEFAULT_INJECTION, ...partial };
  for (const [name, { needed, holds }] of Object.entries(RULES) as [NumberField, NumberRule][]) {
    if (!holds(config[name])) throw invalid(`${name} = ${config[name]}`, needed);
  }
  for (const [name, choices] of Object.entries(CHOICES)) {
    const value = config[name as keyof typeof CHOICES];
    if (!(choices as readonly string[]).includes(value)) {
      throw invalid(`${name} = ${value}`, choices.join(", "));
    }
  }
  const { mixing } = config;
  if (!["proportional", "uniform", "temperature"].includes(mixing.kind)) {
    throw invalid(`mixing ${mixing.kind}`, "proportional, uniform or temperature");
  }
  if (mixing.kind === "temperature" && !POSITIVE.holds(mixing.temperature)) {
    throw invalid(`mixing temperature = ${mixing.temperature}`, POSITIVE.needed);
  }
  if (config.method !== "fedplug") checkTargets(config, decoder);
  return config;
}

function checkTargets({ targetModules, r }: InjectionConfig, decoder: DecoderConfig): void {
  if (targetModules.length === 0) {
    throw invalid("no target modules", "at least one of " + TARGET_MODULES.join(", "));
  }
  if (new Set(targetModules).size < targetModules.length) {
    throw invalid(`target modules ${targetModules.join(", ")}`, "each of them once");
  }
  for (const name of targetModules) {
    if (!TARGET_MODULES.includes(name)) throw invalid(`target module ${name}`, TARGET_MODULES.join(", "));
    const width = smallestWidth(decoder, name);
    if (r > width) throw invalid(`rank ${r} at ${name} of width ${width}`, "a rank not above the width");
  }
}

function invalid(found: string, needed: string): FedKimError {
  return new FedKimError("ConfigError", "The injection's configuration cannot be used.", {
    found,
    needed,
    remedy: "correct this setting",
  });
}
