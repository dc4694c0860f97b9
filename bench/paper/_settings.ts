import { INJECTION_RECIPE } from "../../src/federation/mod.ts";
import type { InjectionConfig } from "../../src/m3oe/mod.ts";

/** Where the encoders come from. */
export type Backbone = "distributed" | "fedavg" | "fedprox" | "public" | "together";

/** Epsilon of a federation; `infinity` is training without clip and noise. */
export type Epsilon = "2" | "8" | "infinity";

/** One federation: backbone and privacy. */
export interface Setting {
  readonly backbone: Backbone;
  readonly epsilon: Epsilon;
}

/** One way of injecting encoders. */
export interface Method {
  readonly name: string;
  /** Settings that differ from `DEFAULT_INJECTION`. */
  readonly config: Partial<InjectionConfig>;
}

/** The strength of FedProx's pull, chosen on public folds (`--tune`). */
export const PROXIMAL = 0.1;

/** The paper's method and its two baselines. */
export const METHODS: readonly Method[] = [
  { name: "FedPlug", config: { ...INJECTION_RECIPE, method: "fedplug" } },
  { name: "FedPlug_L", config: { ...INJECTION_RECIPE, method: "fedplug_l" } },
  { name: "FedKIM", config: { ...INJECTION_RECIPE, method: "fedkim" } },
];

/** FedKIM as everywhere else in the tables. */
export const FEDKIM: Method = METHODS[2];

/** FedKIM with parts left out. */
export const ABLATIONS: readonly Method[] = [
  { name: "no task text", config: { ...FEDKIM.config, gateTexts: "modality_only" } },
  { name: "no modality text", config: { ...FEDKIM.config, gateTexts: "task_only" } },
  { name: "no teacher", config: { ...FEDKIM.config, distillation: 0 } },
];

/** The local task heads, for comparison: no foundation model at all. */
export const LOCAL_HEADS = "local heads";

/** What one worker computes in one go: one federation with all its injections. */
export interface Job {
  readonly setting: Setting;
  readonly methods: readonly Method[];
  readonly seed: number;
  /** Whether questions on images are judged too: they take as long as all else, and stay at chance. */
  readonly questions: boolean;
}

/** The whole grid: what the targets are stated for first, and of that one seed after the other. */
export function grid(seeds: number): Job[] {
  const tier = (parts: readonly Omit<Job, "seed">[]): Job[] =>
    Array.from({ length: seeds }, (_, index) => parts.map((part) => ({ ...part, seed: index + 1 }))).flat();
  const baselines = METHODS.filter((method) => method !== FEDKIM);
  const federations = (backbone: Backbone, methods: readonly Method[], epsilons: readonly Epsilon[]) =>
    epsilons.map((epsilon) => ({
      setting: { backbone, epsilon },
      methods,
      questions: backbone === "distributed" && epsilon === "8" && methods !== ABLATIONS,
    }));
  return [
    ...tier([
      ...NO_PRIVATE_DATA.map((setting) => ({ setting, methods: [FEDKIM], questions: true })),
      ...federations("distributed", [FEDKIM], ["8", "infinity"]),
    ]),
    ...tier(federations("distributed", baselines, ["8", "infinity"])),
    ...tier([
      ...federations("fedavg", METHODS, ["8", "infinity"]),
      ...federations("fedprox", METHODS, ["8", "infinity"]),
    ]),
    ...tier(federations("distributed", ABLATIONS, ["8", "infinity"])),
    ...tier(federations("distributed", [FEDKIM], ["2"])),
    ...tier(federations("distributed", baselines, ["2"])),
    ...tier([...federations("fedavg", METHODS, ["2"]), ...federations("fedprox", METHODS, ["2"])]),
    ...tier(federations("distributed", ABLATIONS, ["2"])),
  ];
}

/** The two ways of doing without private data. */
export const NO_PRIVATE_DATA: readonly Setting[] = [
  { backbone: "public", epsilon: "infinity" },
  { backbone: "together", epsilon: "infinity" },
];

/** One seed, one epsilon, one mode: all that a first look needs. */
export function quickGrid(): Job[] {
  return [
    { setting: { backbone: "distributed", epsilon: "8" }, methods: METHODS, seed: 1, questions: false },
    ...NO_PRIVATE_DATA.map((setting) => ({ setting, methods: [FEDKIM], seed: 1, questions: false })),
  ];
}

/** A setting in words. */
export function settingName({ backbone, epsilon }: Setting): string {
  return backbone === "public" || backbone === "together" ? backbone : `${backbone}, epsilon ${epsilon}`;
}
