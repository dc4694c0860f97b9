/**
 * Writes the recorded figures anew: `deno run -A tests/dp/write_record.ts [PART...]`, all parts where another engine has
 * recorded them. Only after a change that is meant to move them, and after the golden file's tests have passed with it.
 */
import { type Figures, plain, recordedHere, recordPath, writeEngine } from "./_record.ts";
import { FIGURES as audit } from "./_record_audit.ts";
import { FIGURES as draws } from "./_record_draws.ts";
import { FIGURES as numerics } from "./_record_numerics.ts";
import { FIGURES as plans } from "./_record_plans.ts";
import { FIGURES as pld } from "./_record_pld.ts";
import { FIGURES as rdp } from "./_record_rdp.ts";
import { FIGURES as report } from "./_record_report.ts";

const PARTS: Readonly<Record<string, Figures>> = { audit, draws, numerics, plans, pld, rdp, report };

for (const [part, figures] of Object.entries(PARTS)) {
  if (Deno.args.length > 0 && recordedHere() && !Deno.args.includes(part)) continue;
  const began = performance.now();
  const rows: string[] = [];
  for (const [name, figure] of Object.entries(figures)) {
    rows.push(`${JSON.stringify(name)}: ${JSON.stringify(plain(await figure()))}`);
  }
  await Deno.writeTextFile(recordPath(part), `{\n${rows.join(",\n")}\n}\n`);
  console.log(`${part}: ${rows.length} figures in ${((performance.now() - began) / 1000).toFixed(1)} s`);
}
writeEngine();
