import { basename, dirname, extname, join } from "node:path";
import { writeDurable } from "../src/formats/durable_file.ts";
import { FedKimError } from "../src/formats/errors.ts";
import {
  type FederationResult,
  modelCard,
  openRun,
  type Prediction,
  predictRun,
  readRunJson,
  renderModelCard,
} from "../src/federation/mod.ts";
import { selectBackend } from "../src/tensor/mod.ts";
import type { Options } from "./args.ts";
import { STAGES } from "./stages.ts";
import { out, ProgressLine } from "./terminal.ts";

/** `fedkim predict`: calibrated scores for each record of a site, with the model card beside them. */
export async function predict(options: Options<"predict">): Promise<void> {
  const { out: file, json, task } = options;
  if (file !== undefined && ![".csv", ".json"].includes(extname(file))) {
    throw new FedKimError("ConfigError", "Predictions are written as CSV or JSON.", {
      found: file,
      needed: "--out with a name that ends in .csv or .json",
    });
  }
  await selectBackend(options.backend);
  const line = new ProgressLine(STAGES);
  const run = await openRun(options.run, "answer", (event) => line.update(event));
  const { tasks, crossSite } = await readRunJson<FederationResult>(options.run, "evaluation");
  const card = modelCard(run, tasks, crossSite);
  const predictions = await predictRun(run, options.data, task, (event) => line.update(event));
  line.end();
  if (file === undefined) {
    out.result(json ? JSON.stringify({ task, predictions, card }) : csv(predictions).trimEnd());
    return;
  }
  const text = extname(file) === ".csv" ? csv(predictions) : JSON.stringify({ task, predictions }, null, 2);
  const cardFile = join(dirname(file), `${basename(file, extname(file))}.model-card.md`);
  await writeDurable(file, text);
  await writeDurable(cardFile, renderModelCard(card));
  const summary = { task, records: predictions.length, file, card: cardFile };
  out.result(
    json
      ? JSON.stringify(summary)
      : `${summary.records} records answered: ${file}\nModel card, to be read first: ${cardFile}`,
  );
}

/** RFC 4180; a spreadsheet must not take a generated answer for a formula. */
function csv(predictions: readonly Prediction[]): string {
  const field = (value: string | number | null): string => {
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const rows = predictions.map(({ id, score, probability, answer }) => [
    id,
    score === null ? null : score.toFixed(6),
    probability === null ? null : probability.toFixed(6),
    answer,
  ]);
  return [["id", "score", "probability", "answer"], ...rows]
    .map((row) => row.map((value, column) => column === 1 ? value ?? "" : field(value)).join(",")).join(
      "\r\n",
    ) +
    "\r\n";
}
