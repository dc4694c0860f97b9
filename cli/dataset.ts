import { basename } from "node:path";
import {
  composeSite,
  describeSite,
  loadDataset,
  loadFederationPart,
  readFederation,
  type SetDescription,
} from "../src/local/mod.ts";
import { synthesizeFederation } from "../src/local/synthesize/mod.ts";
import type { Options } from "./args.ts";
import { STAGES } from "./stages.ts";
import { out, ProgressLine, table } from "./terminal.ts";

/** `fedkim dataset synthesize | inspect`. */
export async function dataset(
  options: Options<"dataset synthesize"> | Options<"dataset inspect">,
): Promise<void> {
  if (options.verb === "dataset synthesize") {
    const line = new ProgressLine(STAGES);
    const summary = await synthesizeFederation(options.dir, {
      seed: options.seed,
      onProgress: (event) => line.update(event),
    });
    line.end();
    return out.result(
      options.json
        ? JSON.stringify(summary)
        : `Wrote a synthetic federation to ${options.dir}. It describes no real patient.`,
    );
  }
  const parts = await describeParts(options.dir);
  out.result(
    options.json
      ? JSON.stringify({ parts })
      : parts.map(({ name, sets }) => `${name}\n${setTable(sets)}`).join("\n\n"),
  );
}

interface PartDescription {
  readonly name: string;
  readonly sets: readonly SetDescription[];
}

/** A federation folder, one part of it, or a single dataset folder. */
async function describeParts(dir: string): Promise<PartDescription[]> {
  const has = async (file: string) => await Deno.stat(`${dir}/${file}`).then(() => true, () => false);
  if (await has("federation.json")) {
    const federation = await readFederation(dir);
    const folders = [...federation.sites.map((site) => site.dir), federation.public, federation.test];
    const parts = await Promise.all(folders.map((folder) => loadFederationPart(folder)));
    return parts.map((part) => ({ name: part.name, sets: describeSite(part) }));
  }
  const part = await has("dataset.json")
    ? composeSite(basename(dir), dir, [await loadDataset(dir)])
    : await loadFederationPart(dir);
  return [{ name: part.name, sets: describeSite(part) }];
}

function setTable(sets: readonly SetDescription[]): string {
  const rows = sets.flatMap((set) =>
    Object.entries(set.tasks).map(([task, { labelled, positives }], i) => [
      ...(i === 0
        ? [set.name, set.privacyUnit, ...[set.records, set.units, set.largestUnit].map(String)]
        : ["", "", "", "", ""]),
      task,
      String(labelled),
      positives === undefined ? "–" : String(positives),
    ])
  );
  return table(["set", "unit", "records", "units", "largest", "task", "labelled", "positive"], rows);
}
