import { ABLATED, comparisons, FEDERATIONS } from "./_comparisons.ts";
import type { Interval } from "./_paired_bootstrap.ts";
import {
  ABLATIONS,
  FEDKIM,
  LOCAL_HEADS,
  METHODS,
  NO_PRIVATE_DATA,
  type Setting,
  settingName,
} from "./_settings.ts";
import { decided, meanAuroc, type Results, type Runs, textScores, TRAINED, UNSEEN } from "./_tables.ts";

const ALL = [LOCAL_HEADS, ...METHODS.map(({ name }) => name)];
/** The federation whose single tasks are shown. */
const SHOWN: Setting = { backbone: "distributed", epsilon: "8" };

/** Cells as a row of a Markdown table. */
export function row(values: readonly string[]): string {
  return `| ${values.join(" | ")} |`;
}

/** Header of a Markdown table: the first columns are texts, the others numbers. */
export function header(names: readonly string[], texts: number): string[] {
  return [row(names), row(names.map((_, index) => index < texts ? "---" : "--:"))];
}

/** A value with its interval. */
export function shown(interval: Interval | undefined, digits = 3): string {
  if (interval === undefined) return "";
  const { value, low, high } = interval;
  return `${value.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}

function signed(interval: Interval): string {
  const plus = (value: number): string => `${value < 0 ? "" : "+"}${value.toFixed(3)}`;
  const text = `${plus(interval.value)} (${plus(interval.low)} to ${plus(interval.high)})`;
  return interval.low > 0 || interval.high < 0 ? `**${text}**` : text;
}

/** Mean AUROC of every federation, method and kind of task. */
export function mainTable(results: Results): string[] {
  const line = (label: string, runs: Runs): string[] => {
    const trained = meanAuroc(results, runs, TRAINED);
    if (trained === undefined) return [];
    const unseen = meanAuroc(results, runs, UNSEEN);
    return [row([label, runs.method, `${trained.seeds}`, shown(trained), shown(unseen)])];
  };
  return [
    "## Mean AUROC",
    "",
    "![Trained tasks](assets/paper_trained.svg)",
    "",
    "![Unseen tasks](assets/paper_unseen.svg)",
    "",
    ...header(["encoders", "method", "seeds", "five trained tasks", "four unseen tasks"], 2),
    ...FEDERATIONS.flatMap((setting) =>
      ALL.flatMap((method) => line(settingName(setting), { setting, method }))
    ),
    ...NO_PRIVATE_DATA.flatMap((setting) =>
      [LOCAL_HEADS, FEDKIM.name].flatMap((method) =>
        line(`no private data, ${settingName(setting)}`, { setting, method })
      )
    ),
    "",
  ];
}

/** Rows of FedKIM minus something else, for trained and unseen tasks side by side. */
function differenceRows(results: Results, settings: readonly Setting[], others: readonly string[]): string[] {
  return settings.flatMap((setting) => {
    const trained = comparisons(results, setting, others, TRAINED);
    const unseen = comparisons(results, setting, others, UNSEEN);
    return trained.map(({ against, interval }, index) =>
      row([
        settingName(setting),
        against,
        `${interval.seeds}`,
        signed(interval),
        unseen[index] === undefined ? "" : signed(unseen[index].interval),
      ])
    );
  });
}

/** FedKIM against its baselines on the same encoders. */
export function comparisonTable(results: Results): string[] {
  const others = ["FedPlug", "FedPlug_L"];
  const lines = differenceRows(results, FEDERATIONS, others);
  if (lines.length === 0) return [];
  return [
    "## FedKIM minus its baselines",
    "",
    "Paired over people and seeds; in bold where the 95 % interval leaves out zero. With so many comparisons, about one",
    "in twenty does so by chance.",
    "",
    ...header(["encoders", "against", "seeds", "five trained tasks", "four unseen tasks"], 2),
    ...lines,
    "",
  ];
}

/** Single tasks of one federation. */
export function taskTable(results: Results): string[] {
  const tasks = [...TRAINED, "vqa_chest_yesno", ...UNSEEN, "vqa_other_yesno"];
  const columns: { readonly label: string; readonly runs: Runs }[] = [
    ...ALL.map((method) => ({ label: method, runs: { setting: SHOWN, method } })),
    ...NO_PRIVATE_DATA.map((setting) => ({
      label: `FedKIM, ${settingName(setting)}`,
      runs: { setting, method: FEDKIM.name },
    })),
  ];
  return [
    `## Single tasks: ${settingName(SHOWN)}`,
    "",
    "`icu_mortality` (11 deaths) and `icu_kidney_injury` count inside means only.",
    "",
    ...header(["task", "role", ...columns.map(({ label }) => label)], 2),
    ...tasks.filter((task) => task in results.truth).map((task) =>
      row([
        task,
        results.truth[task].role,
        ...columns.map(({ runs }) => shown(meanAuroc(results, runs, [task]))),
      ])
    ),
    "",
  ];
}

/** What leaving out a part costs. */
export function ablationTable(results: Results): string[] {
  const names = ABLATIONS.map(({ name }) => name);
  const lines = differenceRows(results, ABLATED, names);
  if (lines.length === 0) return [];
  return [
    "## Ablations: FedKIM minus FedKIM without a part",
    "",
    "![Ablations](assets/paper_ablations.svg)",
    "",
    ...header(["encoders", "left out", "seeds", "five trained tasks", "four unseen tasks"], 2),
    ...lines,
    "",
  ];
}

/** The paper's metrics at thresholds from public validation data. */
export function decisionTable(results: Results): string[] {
  const tasks = [...TRAINED, ...UNSEEN, "vqa_chest_yesno", "vqa_other_yesno"].filter((task) =>
    task in results.truth
  );
  const lines = tasks.flatMap((task) =>
    METHODS.flatMap(({ name }) => {
      const found = decided(results, { setting: SHOWN, method: name }, task);
      if (found === undefined) return [];
      const { accuracy, precision, recall, f1 } = found;
      return [row([task, name, ...[accuracy, precision, recall, f1].map((value) => value.toFixed(3))])];
    })
  );
  return [
    `## Decisions: ${settingName(SHOWN)}`,
    "",
    "Thresholds come from public validation records: the best F1 for a trained task; for an unseen one, without any label,",
    "the share of yes that trained tasks have on average.",
    "",
    ...header(["task", "method", "accuracy", "precision", "recall", "F1"], 2),
    ...lines,
    "",
  ];
}

/** Open questions on images. */
export function openTable(results: Results): string[] {
  const lines = [
    ...METHODS.map(({ name }) => ({ setting: SHOWN, method: name })),
    ...NO_PRIVATE_DATA.map((setting) => ({ setting, method: FEDKIM.name })),
  ].flatMap((runs) => {
    const found = textScores(results, runs, "vqa_open");
    if (found === undefined) return [];
    const { bleu1, rouge1, meteor } = found;
    return [
      row([
        settingName(runs.setting),
        runs.method,
        ...[bleu1, rouge1, meteor].map((value) => value.toFixed(3)),
      ]),
    ];
  });
  return [
    "## Open questions (vqa_open, unseen)",
    "",
    ...header(["encoders", "method", "BLEU-1", "ROUGE-1", "METEOR"], 2),
    ...lines,
    "",
  ];
}
