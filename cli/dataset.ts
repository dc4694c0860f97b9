import { readFederation } from "../src/local/mod.ts";
import {
  formatInspection,
  formatWarnings,
  importDataset,
  inspectDataset,
  inspectParts,
  type Part,
  partOf,
} from "../src/local/import/mod.ts";
import { synthesizeFederation } from "../src/local/synthesize/mod.ts";
import { FedKimError } from "../src/formats/errors.ts";
import { fileInfo } from "../src/formats/file_info.ts";
import type { Options } from "./args.ts";
import { STAGES } from "./stages.ts";
import { out, ProgressLine } from "./terminal.ts";

/** `fedkim dataset synthesize | import | inspect`. */
export async function dataset(
  options: Options<"dataset synthesize"> | Options<"dataset import"> | Options<"dataset inspect">,
): Promise<void> {
  switch (options.verb) {
    case "dataset synthesize":
      return await synthesize(options);
    case "dataset import":
      return await importFiles(options);
    case "dataset inspect":
      return await inspect(options);
  }
}

async function synthesize(options: Options<"dataset synthesize">): Promise<void> {
  const line = new ProgressLine(STAGES);
  const summary = await synthesizeFederation(options.dir, {
    seed: options.seed,
    onProgress: (event) => line.update(event),
  });
  line.end();
  out.result(
    options.json
      ? JSON.stringify(summary)
      : `Wrote a synthetic federation to ${options.dir}. It describes no real patient.`,
  );
}

async function importFiles(options: Options<"dataset import">): Promise<void> {
  const report = await importDataset({
    mappingFile: options.mapping,
    dir: options.out,
    ...(options.source === undefined ? {} : { source: options.source }),
    ...(options.pseudonymKey === undefined
      ? {}
      : { pseudonymKey: await Deno.readFile(options.pseudonymKey) }),
  });
  if (options.json) return out.result(JSON.stringify(report));
  out.result(`Wrote ${report.records} records to ${options.out}.\n${formatWarnings(report.warnings)}`);
}

async function inspect(options: Options<"dataset inspect">): Promise<void> {
  const parts = await partsOf(options.dir);
  const dirs = parts.flatMap((part) => part.dirs);
  if (dirs.length === 0) {
    throw new FedKimError("DatasetError", `${options.dir} holds no dataset.`, {
      needed: "a folder with dataset.json, a folder of such folders, or a federation with federation.json",
      remedy: "check the path, or make data with `fedkim dataset synthesize`",
    });
  }
  const datasets = await Promise.all(dirs.map(inspectDataset));
  const between = parts.length < 2 ? [] : await inspectParts(parts);
  if (options.json) return out.result(JSON.stringify({ datasets, between }));
  out.result(datasets.map(formatInspection).join("\n\n"));
  if (parts.length > 1) {
    out.result(
      `\nBetween the parts: ${
        between.length === 0 ? "no shared patients or records" : formatWarnings(between)
      }`,
    );
  }
}

/** A federation's parts, or the folder itself as one. */
async function partsOf(dir: string): Promise<Part[]> {
  if (await fileInfo(`${dir}/federation.json`) === undefined) {
    return [
      await partOf(dir).catch((cause) => {
        throw new FedKimError("DatasetError", `${dir} cannot be read.`, { remedy: "check the path", cause });
      }),
    ];
  }
  const federation = await readFederation(dir);
  const folders = [...federation.sites.map((site) => site.dir), federation.public, federation.test];
  return await Promise.all(folders.map(partOf));
}
