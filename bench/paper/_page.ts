import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { routingHeatMap, type RoutingReport, routingTable } from "../../src/m3oe/mod.ts";
import { writePage } from "../local/_write_page.ts";
import { forestSvg } from "./_forest_svg.ts";
import { ablationRows, mainPlot, unseenPlot } from "./_plots.ts";
import {
  ablationTable,
  comparisonTable,
  decisionTable,
  mainTable,
  openTable,
  taskTable,
} from "./_page_tables.ts";
import { HISTORY } from "./_page_history.ts";
import { CAVEATS, HOW } from "./_page_text.ts";
import { reading } from "./_reading.ts";
import { type Job, settingName } from "./_settings.ts";
import type { Results } from "./_tables.ts";
import { verdicts } from "./_verdicts.ts";
import { studyTables } from "./_study_tables.ts";

/** What the page says about the run itself. */
export interface RunFacts {
  readonly seeds: number;
  readonly quick: boolean;
  /** Jobs of the grid that were not run. */
  readonly missing: readonly Job[];
  /** Wall-clock time, without jobs that were kept. */
  readonly seconds: number;
  /** Sum over jobs, kept ones too. */
  readonly jobSeconds: number;
  readonly workers: number;
  /** Name of the language model. */
  readonly model: string;
  /** FedKIM's gate in `distributed` mode at epsilon 8, first seed. */
  readonly routing: RoutingReport | undefined;
}

/** Writes the page and its plots; a quick run is printed instead. */
export async function writePaperPage(results: Results, facts: RunFacts): Promise<void> {
  const root = new URL("../../", import.meta.url);
  const lines = [
    "# The paper's experiments",
    "",
    `Measured ${
      new Date().toISOString().slice(0, 10)
    } by \`deno task bench paper\`, which writes this page: ` +
    `language model ${facts.model}, ${facts.seeds} ${
      facts.seeds === 1 ? "seed" : "seeds"
    }, ${facts.workers} workers, ` +
    `${(facts.jobSeconds / 60).toFixed(0)} minutes of work in all.`,
    "",
    ...HOW,
    ...missingSection(facts.missing),
    ...verdicts(results, facts.seeds),
    ...mainTable(results),
    ...comparisonTable(results),
    ...taskTable(results),
    ...ablationTable(results),
    ...routingSection(facts.routing),
    ...decisionTable(results),
    ...openTable(results),
    ...await studyTables(),
    ...reading(results),
    ...HISTORY,
    ...CAVEATS,
  ];
  const text = `${lines.join("\n")}\n`;
  if (facts.quick) {
    console.log(text);
    return;
  }
  const docs = fileURLToPath(new URL("docs/", root));
  await Deno.mkdir(join(docs, "assets"), { recursive: true });
  const plots: Record<string, string> = {
    "paper_trained.svg": forestSvg(
      "Mean test AUROC of five trained tasks, 95 % intervals",
      mainPlot(results),
    ),
    "paper_unseen.svg": forestSvg(
      "Mean test AUROC of four unseen tasks, 95 % intervals",
      unseenPlot(results),
    ),
  };
  const ablations = ablationRows(results);
  if (ablations.length > 0) {
    const title = "FedKIM minus the ablation, mean AUROC, 95 % intervals";
    plots["paper_ablations.svg"] = forestSvg(title, ablations, 0);
  }
  if (facts.routing !== undefined) {
    plots["paper_routing.svg"] = routingHeatMap(facts.routing, "Gate weights by task, FedKIM");
  }
  for (const [name, svg] of Object.entries(plots)) await Deno.writeTextFile(join(docs, "assets", name), svg);
  await writePage(join(docs, "paper_experiments.md"), text);
  console.error(`docs/paper_experiments.md written after ${(facts.seconds / 60).toFixed(1)} minutes`);
}

function missingSection(missing: readonly Job[]): string[] {
  if (missing.length === 0) return [];
  const cells = missing.flatMap(({ setting, methods, seed }) =>
    methods.map(({ name }) => ({ what: `${settingName(setting)}: ${name}`, seed }))
  );
  const lines = [...Map.groupBy(cells, ({ what }) => what)].map(([what, found]) =>
    `- ${what}, seed ${[...new Set(found.map(({ seed }) => seed))].join(", ")}`
  );
  return [
    "## What has not been run",
    "",
    "The same command goes on with these where `--keep` names the file of the finished jobs. Cells below with fewer",
    "seeds than others say so; a difference is taken over the seeds that both sides have.",
    "",
    ...lines,
    "",
  ];
}

function routingSection(report: RoutingReport | undefined): string[] {
  if (report === undefined) return [];
  return [
    "## How the gate routes",
    "",
    "FedKIM, distributed, epsilon 8, first seed. A gate that gives every expert the same weight is one LoRA.",
    "",
    "![Gate weights](assets/paper_routing.svg)",
    "",
    routingTable(report).trimEnd(),
    "",
  ];
}
