import { fileURLToPath } from "node:url";

/** What one run of the process gives; seconds of CPU time and bytes. */
interface LargeSite {
  readonly records: number;
  readonly index: number;
  readonly features: number;
  readonly step: number;
  readonly growth: number;
}

/** A site with a million light records on disk, in a process of its own: CPU time, and memory above a small site's. */
export async function largeSite(records = 1_000_000): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "tests/local/large_site_process.ts", String(records), "2"],
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const found: LargeSite = JSON.parse(new TextDecoder().decode(stdout));
  return `A site with ${
    found.records.toLocaleString("en")
  } light records (four numbers and two labels each, three of a ` +
    `patient), from disk: index ${found.index.toFixed(0)} s, features ${
      found.features.toFixed(0)
    } s, a private step ` +
    `at q = 0.05 ${
      found.step.toFixed(1)
    } s with clip, rounding and exact noise (CPU time); resident memory at most ${
      (found.growth / 2 ** 20).toFixed(0)
    } MiB above that of a site with 60 records.`;
}
