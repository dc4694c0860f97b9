import {
  buildReport,
  type PrivacyReport,
  REFUTED,
  renderHtml,
  renderMarkdown,
  renderTerminal,
} from "../src/dp/mod.ts";
import { FedKimError } from "../src/formats/errors.ts";
import { fileInfo } from "../src/formats/file_info.ts";
import { selectBackend } from "../src/tensor/mod.ts";
import type { Options } from "./args.ts";
import { auditTrainingPath, type PathAudit } from "./audit.ts";
import type { NoiseWidth } from "./audit_noise.ts";
import { federationReport, ledgerReport } from "./federation_report.ts";
import { STAGES } from "./stages.ts";
import { out, ProgressLine, table } from "./terminal.ts";

/** `fedkim privacy-report`: the budget report of a ledger file or of a run folder, and the audit of this build. */
export async function privacyReport(options: Options<"privacy-report">): Promise<void> {
  const { source, audit, data, auditLedger } = options;
  if (!audit && (source === undefined || data !== undefined || auditLedger !== undefined)) {
    throw new FedKimError("ConfigError", "privacy-report does not know what to report.", {
      found: source === undefined ? "no ledger and no run" : "--data or --audit-ledger without --audit",
      needed: "a ledger file, a run folder, or --audit",
      remedy: "for example: fedkim privacy-report runs/latest, or: fedkim privacy-report --audit",
    });
  }
  const known = source === undefined ? undefined : await reportOf(source);
  const audited = audit ? await runPathAudit(options) : undefined;
  const report = audited === undefined ? known! : withAudit(known, audited);
  if (options.html !== undefined) await Deno.writeTextFile(options.html, renderHtml(report));
  if (options.markdown !== undefined) await Deno.writeTextFile(options.markdown, renderMarkdown(report));
  if (audited?.result.refuted) {
    const { pValue, correct, guesses, epsilonLower, epsilonUpper } = audited.result;
    throw new FedKimError("InternalError", "The audit refutes the privacy that this build claims.", {
      found: `${correct} of ${guesses} guesses right, p = ${pValue.toExponential(1)}, epsilon at least ` +
        `${epsilonLower.toFixed(2)} where at most ${epsilonUpper.toFixed(2)} is claimed`,
      needed: "a path that keeps its claim",
      remedy: "take part in no federation with this build, and report it",
    });
  }
  if (audited?.noise !== undefined) requireWideNoise(audited.noise);
  if (options.json) return out.result(JSON.stringify(report));
  out.result(options.forecast ? forecast(report) : renderTerminal(report));
}

/** The audit's second question: guesses about canaries do not see one share missing of two, a width does. */
function requireWideNoise({ samples, ratio, pValue }: NoiseWidth): void {
  const found = `${ratio.toFixed(3)} of the promised standard deviation, over ${samples} values`;
  out.note(`Noise of the audited sums: ${found}`);
  if (pValue >= REFUTED) return;
  throw new FedKimError("InternalError", "The audit finds narrower noise than this build claims.", {
    found: `${found}, p = ${pValue.toExponential(1)}`,
    needed: "a share of every honest site, as wide as the plan says",
    remedy: "take part in no federation with this build, and report it",
  });
}

async function reportOf(source: string): Promise<PrivacyReport> {
  const info = await fileInfo(source);
  if (info !== undefined) return await (info.isDirectory ? federationReport(source) : ledgerReport(source));
  throw new FedKimError("ConfigError", `${source} does not exist.`, {
    needed: "a ledger file (ledger.jsonl) or the folder of a run",
  });
}

async function runPathAudit(options: Options<"privacy-report">): Promise<PathAudit> {
  await selectBackend(options.backend);
  const line = new ProgressLine({ ...STAGES, audit: "Auditing the real path" });
  try {
    return await auditTrainingPath({
      data: options.data,
      ledger: options.auditLedger,
      seed: options.seed,
      onProgress: (event) => line.update(event),
    });
  } finally {
    line.end();
  }
}

/** The report of a run or ledger with the audit in it, or a report of the audit alone with its own ledger. */
function withAudit(known: PrivacyReport | undefined, { result, ledger }: PathAudit): PrivacyReport {
  const alone = buildReport({
    title: "Audit of the training and aggregation path",
    ledgers: [ledger],
    audits: [result],
    unaccounted: [],
    groups: [],
    generatedAt: new Date().toISOString(),
  });
  const [, ...audited] = alone.summary;
  if (known === undefined) return { ...alone, summary: audited };
  return { ...known, summary: [...known.summary, ...audited], audits: [...known.audits, ...alone.audits] };
}

function forecast(report: PrivacyReport): string {
  const rows = report.sites.flatMap(({ site, rows: sets }) =>
    sets.map(({ population, rounds, roundsLeft, deltaLeft }) => [
      site,
      population,
      String(rounds),
      roundsLeft === undefined ? "–" : String(roundsLeft),
      deltaLeft === 0 ? "0" : deltaLeft.toExponential(1),
    ])
  );
  return table(["site", "set", "rounds charged", "rounds left", "delta left"], rows);
}
