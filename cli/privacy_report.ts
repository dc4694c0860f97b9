import { renderHtml, renderMarkdown, renderTerminal } from "../src/dp/mod.ts";
import type { Options } from "./args.ts";
import { federationReport, ledgerReport } from "./federation_report.ts";
import { FedKimError } from "../src/formats/errors.ts";
import { out, table } from "./terminal.ts";

/** `fedkim privacy-report`: the budget report of a ledger file or of a run folder. */
export async function privacyReport(options: Options<"privacy-report">): Promise<void> {
  const isFolder = await Deno.stat(options.source).then((info) => info.isDirectory, () => undefined);
  if (isFolder === undefined) {
    throw new FedKimError("ConfigError", `${options.source} does not exist.`, {
      needed: "a ledger file (ledger.jsonl) or the folder of a run",
    });
  }
  const report = await (isFolder ? federationReport(options.source) : ledgerReport(options.source));
  if (options.html !== undefined) await Deno.writeTextFile(options.html, renderHtml(report));
  if (options.markdown !== undefined) await Deno.writeTextFile(options.markdown, renderMarkdown(report));
  if (options.json) return out.result(JSON.stringify(report));
  if (!options.forecast) return out.result(renderTerminal(report));
  const rows = report.sites.flatMap(({ site, rows: sets }) =>
    sets.map((
      set,
    ) => [
      site,
      set.population,
      String(set.rounds),
      set.roundsLeft === undefined ? "–" : String(set.roundsLeft),
    ])
  );
  out.result(table(["site", "set", "rounds charged", "rounds left"], rows));
}
