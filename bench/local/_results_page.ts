import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { curvesSvg } from "./_curves_svg.ts";
import { writePage } from "./_write_page.ts";
import type { Mode, Row } from "./_trials.ts";

/** One line of the table. */
export interface Method {
  readonly mode: Mode | "public";
  readonly epsilon: number;
  /**
   * Standard deviation of the noise, in units of the clip: of the sum, or of one site's sum in `local` mode.
   */
  readonly noise: number | undefined;
  /** One per seed. */
  readonly rows: readonly Row[];
}

/** Tasks of the mean, in this order. */
const CLINICAL = ["cxr_pneumonia", "ecg_pvc", "icu_mortality", "icu_ventilation", "icu_shock"];
/** What epsilon 8 in `distributed` mode is held against. */
const TARGETS: Readonly<Record<string, number>> = { cxr_pneumonia: 0.8, icu_shock: 0.69, ecg_pvc: 0.9 };

type References = Readonly<Record<string, { readonly public_only: number; readonly all_sites: number }>>;

/** Writes `docs/results.md` and its plot. */
export async function writeResults(root: URL, data: string, methods: readonly Method[]): Promise<void> {
  const references: References = JSON.parse(await Deno.readTextFile(join(data, "linear_references.json")));
  const folder = fileURLToPath(new URL("docs/", root));
  await Deno.mkdir(join(folder, "assets"), { recursive: true });
  await Deno.writeTextFile(join(folder, "assets", "auroc_epsilon.svg"), plot(methods, references));
  const text = [...head(methods), ...table(methods), ...checks(methods, references), ...CAVEATS].join("\n");
  await writePage(join(folder, "results.md"), `${text}\n`);
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value / values.length, 0);
}

function mean({ rows }: Method, task: string): number {
  return average(rows.map((row) => row[task]));
}

function overall(row: Row): number {
  return average(CLINICAL.map((task) => row[task]));
}

function plot(methods: readonly Method[], references: References): string {
  const modes = [
    { mode: "distributed", colour: "#1b6ca8" },
    { mode: "local", colour: "#c8553d" },
  ] as const;
  const flat = (name: string, value: number, colour: string) => ({ name, value, colour });
  const pretrained = methods.filter(({ mode }) => mode === "public").flatMap(({ rows }) => rows.map(overall));
  const linear = average(CLINICAL.map((task) => references[task].all_sites));
  return curvesSvg({
    title: "Mean test AUROC of five trained tasks against epsilon (delta 1e-5)",
    curves: modes.map(({ mode, colour }) => ({
      name: `${mode} mode`,
      colour,
      points: methods.filter((method) => method.mode === mode).map(({ epsilon, rows }) => {
        return { at: epsilon, values: rows.map(overall) };
      }),
    })),
    levels: [
      flat("public data only", average(pretrained), "#777777"),
      flat("linear, all sites, no privacy", linear, "#3a7d44"),
    ],
  });
}

function head(methods: readonly Method[]): string[] {
  return [
    "# Results",
    "",
    `Measured ${
      new Date().toISOString().slice(0, 10)
    } by \`deno task bench quality\`, which writes this page: ` +
    `mean AUROC of ${methods[0].rows.length} runs on the`,
    "common test part of four hospitals (eICU demo by region, NIH ChestX-ray14, MIT-BIH), linear heads of the local",
    "models, default settings. Every run has its own initialisation, sampling and noise. Delta is 1e-5.",
    "",
    "![Mean AUROC against epsilon](assets/auroc_epsilon.svg)",
    "",
    "- **distributed**: one clipped, noised, securely summed gradient a step. Epsilon is the PLD upper bound for a",
    "  coalition of the server and one site, with one of the four sites missing.",
    '- **local**: every site trains with its own full noise and shares clipped updates (`mode = "local"`). Epsilon',
    "  holds against everybody, whatever the others do.",
    "- Epsilon infinity has no clip and no noise: 40 full-batch AdamW steps on the union of the sites, and federated",
    "  averaging of the `local` schedule.",
    "",
  ];
}

function table(methods: readonly Method[]): string[] {
  const cells = (values: readonly (string | number)[]): string => `| ${values.join(" | ")} |`;
  const name = ({ mode, epsilon }: Method): string[] => {
    if (mode === "public") return ["public data only", ""];
    return [mode, epsilon === Infinity ? "infinity" : String(epsilon)];
  };
  return [
    "## AUROC against epsilon",
    "",
    cells(["mode", "epsilon", "noise / C", ...CLINICAL, "mean of the five", "lowest to highest run"]),
    cells(["---", "--:", "--:", ...CLINICAL.map(() => "--:"), "--:", "--:"]),
    ...methods.map((method) => {
      const each = method.rows.map(overall);
      return cells([
        ...name(method),
        method.noise?.toFixed(2) ?? "",
        ...CLINICAL.map((task) => mean(method, task).toFixed(3)),
        `**${average(each).toFixed(3)}**`,
        `${Math.min(...each).toFixed(3)} to ${Math.max(...each).toFixed(3)}`,
      ]);
    }),
    "",
  ];
}

function checks(methods: readonly Method[], references: References): string[] {
  const find = (epsilon: number): Method | undefined =>
    methods.find((method) => method.mode === "distributed" && method.epsilon === epsilon);
  const at8 = find(8), open = find(Infinity);
  if (at8 === undefined || open === undefined) return [];
  const verdict = (holds: boolean): string => holds ? "met" : "**missed**";
  const linear = average(CLINICAL.map((task) => references[task].all_sites));
  const free = average(open.rows.map(overall));
  const lines = Object.entries(TARGETS).map(([task, target]) => {
    const found = mean(at8, task), floor = references[task].public_only;
    return `| ${task}, epsilon 8, distributed | ${
      found.toFixed(3)
    } | ${target} and above ${floor} (public only) | ${verdict(found >= target && found > floor)} |`;
  });
  return [
    "## Against the targets",
    "",
    "| what | found | wanted | |",
    "| --- | --: | --- | --- |",
    ...lines,
    `| mean of the five, no privacy | ${free.toFixed(3)} | ${
      (linear - 0.01).toFixed(3)
    } (logistic regression on all sites, less .01) | ${verdict(free >= linear - 0.01)} |`,
    "",
    "The references are plain centralised logistic regressions, without privacy. The margin of ecg_pvc is far inside",
    "the uncertainty of its test records: read it as no better and no worse than public data alone.",
    "",
  ];
}

const CAVEATS = [
  "## What these figures are not",
  "",
  "- Settings (widths, pre-training, clip, rates, steps, optimizers) were chosen on by-patient folds of `public/`.",
  "  Two honest exceptions: the very first exploration of image front ends had printed test AUROC beside the",
  "  validation figures, and the folds judged models that were trained on the sites' records, so the choice of the",
  "  training schedule has looked at (private, never tested) site data in a way that no epsilon covers.",
  "- The schedules are tuned for epsilon 8. The same schedule at epsilon 0.5 in `distributed` mode ends below the",
  "  public start: at such budgets take fewer steps or a smaller step size, chosen on public folds. The `local`",
  "  schedule is the best of five on those folds (.793; the others .770 to .790); the order of the two modes at",
  "  small epsilons says more about step sizes than about the modes.",
  "- Attention over time for vital signs (`attention: { timeseries: {} }`, twice the federated parameters) is not the",
  "  default: on public folds, one seed, its mean is .818 against .815 at epsilon 8 and .831 against .819 without",
  "  privacy, which two folds cannot tell apart; icu_shock itself was no better (.634 against .643).",
  "- A sixth trained task, `vqa_chest_yesno`, stays at chance (.49 to .54) with local linear heads at every epsilon. It is",
  "  not in the mean; questions are the language model's work. Text uses a fixed random table of words here.",
  "- A run of a federation adds exact discrete noise to rounded sums; this bench adds float Gaussian noise of the",
  "  same standard deviation to the same clipped sums.",
  "- `icu_mortality` has 11 deaths in 240 test records. It counts inside the mean only.",
  "- ECG records come from 47 people; the unit there is the ten-second record, not the person.",
  "- Three runs show the spread of initialisation, sampling and noise, not that of the test records, which is",
  "  larger: with 101 positives among 175 images the 95 % interval of an AUROC of .87 is about .05 to each side",
  "  (Hanley and McNeil 1982).",
  "- Epsilon 8 is a weak promise to a single person, and epsilon 0.5 to 1 costs most of what sites could teach.",
];
