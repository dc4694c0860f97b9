/** What `fedkim doctor` checks of a site's own machine: keys, policy, ledger, data and room on the disk. @module */
import { join } from "node:path";
import { readLedger } from "../src/dp/mod.ts";
import { type ClientConfig, readIdentity, readPolicy, SITE_FILES } from "../src/federation/mod.ts";
import { fileInfo } from "../src/formats/file_info.ts";
import { indexFederationPart } from "../src/local/mod.ts";
import { type Check, check } from "./_doctor_check.ts";
import { requireFreeSpace } from "./_site_checks.ts";

/** Checks everything of a site that needs no network. */
export async function siteChecks({ state, data, clientKey }: ClientConfig): Promise<Check[]> {
  const path = (file: keyof typeof SITE_FILES) => join(state, SITE_FILES[file]);
  return [
    await check("data", "run: fedkim dataset inspect DIR", async () => {
      const { sets, withheldRecords } = await indexFederationPart(data);
      if (sets.length === 0) throw new Error(`${data} holds no dataset`);
      const names = sets.map(({ name, size }) => `${name} ${size} records`).join(", ");
      return withheldRecords === 0
        ? names
        : `${names}; ${withheldRecords} left out: their patients are in another set`;
    }),
    await check("identity and policy", "write one: fedkim policy --state DIR …", async () => {
      const identity = await readIdentity(path("identity"));
      const policy = await readPolicy(path("policy"), identity);
      return `${identity.id}: epsilon at most ${policy.maxEpsilon} at delta ${policy.delta}, at least ${policy.minimumSites} sites`;
    }),
    await check("private keys", "run: chmod 600 on the file, chmod 700 on the state folder", async () => {
      const files = [path("identity"), ...(clientKey === undefined ? [] : [clientKey])];
      for (const file of files) {
        const { mode } = await Deno.stat(file);
        if (mode !== null && (mode & 0o077) !== 0) throw new Error(`others can read ${file}`);
      }
      const { mode } = await Deno.stat(state);
      if (mode !== null && (mode & 0o077) !== 0) throw new Error(`others can enter ${state}`);
      return "readable by their owner only";
    }),
    await check("ledger", "restore the newest backup of the state folder as a whole", async () => {
      if (await fileInfo(path("ledger")) === undefined) return "not begun yet";
      const { populations } = await readLedger(path("ledger"));
      return populations.map(({ budget, spent }) => `${budget.population} ${spent.toFixed(3)} spent`).join(
        ", ",
      ) ||
        "no population yet";
    }),
    await check("disk space", "name a state folder that exists", () => requireFreeSpace(state)),
  ];
}
