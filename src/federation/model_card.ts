import { markdownTable, markdownText } from "../formats/markdown.ts";
import { VERSION } from "../formats/version.ts";
import type { EvaluationResult } from "./aggregator_results.ts";
import type { FinishedRun } from "./finished_run.ts";
import { federationPlanHash } from "./federation_plan.ts";
import { type CrossSiteEvaluation, crossSiteMarkdown } from "./site_evaluation/mod.ts";

/** What a user of a run's predictions must know (after Mitchell et al. 2019, Model Cards for Model Reporting). */
export interface ModelCard {
  /** Format and version. */
  readonly format: "fedkim-model-card/1";
  /** Name of the federation. */
  readonly federation: string;
  /** Hash of the signed plan that the model follows from. */
  readonly planHash: string;
  /** Version of FedKIM that wrote the card. */
  readonly version: string;
  /** Folder name of the frozen foundation model. */
  readonly foundationModel: string;
  /** What was learned from. */
  readonly data: {
    /** Sites of the signed roster. */
    readonly sites: readonly string[];
    /** Trained tasks by set. */
    readonly sets: Readonly<Record<string, readonly string[]>>;
  };
  /** What is promised to whom. */
  readonly privacy: readonly {
    /** The set. */
    readonly set: string;
    /** The privacy unit. */
    readonly unit: string;
    /** Upper bound, server and colluding sites together. */
    readonly epsilon: number;
    /** Probability that the bound does not cover. */
    readonly delta: number;
  }[];
  /** Results on the run's test folder; absent where it had none. */
  readonly tasks?: EvaluationResult;
  /** Results on held-out patients of the sites, overall and by subgroup; absent where the run had none. */
  readonly crossSite?: CrossSiteEvaluation;
  /** Limits, in sentences. */
  readonly limits: readonly string[];
}

const LIMITS = [
  "Not a medical device. Not evaluated for any clinical use; do not base the care of a patient on it.",
  "Figures hold for the test records of the run. Other hospitals, devices and populations will differ: evaluate on your own records first.",
  "Probabilities are calibrated on public validation records; the share of positives at your site may be another one.",
  "Tasks of role unseen were never trained; their scores are not calibrated and their thresholds assume the mean prevalence of the trained tasks.",
  "Epsilon bounds what the model can tell about one privacy unit; it does not make the predictions right or fair.",
] as const;

/**
 * The card of a finished run.
 * @param run the run
 * @param tasks its results on test, from `evaluation.json`
 * @param crossSite its results on the sites' held-out patients, from the same file
 */
export function modelCard(
  run: FinishedRun,
  tasks: EvaluationResult | undefined,
  crossSite?: CrossSiteEvaluation,
): ModelCard {
  const { plan } = run;
  const sets: Record<string, string[]> = {};
  for (const { set, task } of plan.model.spec.heads) (sets[set] ??= []).push(task);
  return {
    format: "fedkim-model-card/1",
    federation: plan.federation,
    planHash: federationPlanHash(plan),
    version: VERSION,
    foundationModel: run.config.foundationModel.split(/[\\/]/).filter((part) => part !== "").at(-1) ?? "",
    data: { sites: plan.roster.map(({ site }) => site), sets },
    privacy: plan.dp.guarantees.map(({ population, unit, epsilon, delta }) => ({
      set: population,
      unit,
      epsilon,
      delta,
    })),
    ...(tasks === undefined ? {} : { tasks }),
    ...(crossSite === undefined ? {} : { crossSite }),
    limits: LIMITS,
  };
}

/** The card as Markdown. */
export function renderModelCard(card: ModelCard): string {
  const rows = Object.entries(card.tasks ?? {}).map(([task, result]) => {
    if (result.type === "open") {
      return [task, result.role, `${result.n}`, "open answers", `token F1 ${digits(result.tokenF1)}`, ""];
    }
    const [low, high] = result.aurocInterval ?? [null, null];
    const area = `${digits(result.auroc)} (${digits(low)} to ${digits(high)})`;
    return [task, result.role, `${result.n}`, `${result.positives}`, area, digits(result.calibrationError)];
  });
  return [
    `# Model card: ${markdownText(card.federation)}`,
    "",
    `Plan ${card.planHash}. Written by FedKIM ${card.version}. Frozen foundation model: ${
      markdownText(card.foundationModel)
    }.`,
    "",
    "## Data",
    "",
    `Sites: ${markdownText(card.data.sites.join(", "))}.`,
    "",
    ...Object.entries(card.data.sets).map(([set, tasks]) =>
      `- ${markdownText(`${set}: ${tasks.join(", ")}`)}`
    ),
    "",
    "## Privacy",
    "",
    ...markdownTable(
      ["set", "unit", "epsilon", "delta"],
      card.privacy.map(({ set, unit, epsilon, delta }) => [set, unit, epsilon.toFixed(3), `${delta}`]),
      [2, 3],
    ),
    "",
    "Upper bounds for the whole schedule, against the server and the colluding sites of the plan together.",
    "",
    "## Results on the test records of the run",
    "",
    ...(rows.length === 0 ? ["The run had no test folder."] : markdownTable(
      ["task", "role", "records", "positive", "AUROC (95 % interval)", "calibration error"],
      rows,
      [2, 3, 5],
    )),
    "",
    ...(card.crossSite === undefined ? [] : [
      "## Results at the sites, by subgroup",
      "",
      "Of the federated encoders and heads, before the injection.",
      "",
      ...crossSiteMarkdown(card.crossSite),
      "",
    ]),
    "## Limits",
    "",
    ...card.limits.map((limit) => `- ${limit}`),
    "",
  ].join("\n");
}

function digits(value: number | null): string {
  return value === null ? "not defined" : value.toFixed(3);
}
