import { join } from "node:path";
import { readIdentity, readPolicy, SITE_FILES, type SitePolicy, writePolicy } from "../src/federation/mod.ts";
import { FedKimError } from "../src/formats/errors.ts";
import type { Options } from "./args.ts";
import { out, table } from "./terminal.ts";

/** `fedkim policy`: write and sign a site's policy, or show it. */
export async function policy(options: Options<"policy">): Promise<void> {
  const identity = await readIdentity(join(options.state, SITE_FILES.identity));
  const path = join(options.state, SITE_FILES.policy);
  if (options.epsilon !== undefined) {
    await writePolicy(path, {
      format: "fedkim-policy/1",
      site: identity.id,
      maxEpsilon: options.epsilon,
      delta: options.delta ?? 1e-5,
      neighboring: "add_or_remove_one",
      minimumSites: options.minimumSites ?? 3,
      colluders: 1,
      peers: options.peers === undefined ? "any" : await readPeers(options.peers),
      allowedTasks: options.tasks === undefined || options.tasks === "all" ? "all" : options.tasks.split(","),
    }, identity);
  }
  const current = await readPolicy(path, identity);
  out.result(options.json ? JSON.stringify(current) : describe(current));
}

async function readPeers(file: string): Promise<Record<string, string>> {
  try {
    return JSON.parse(await Deno.readTextFile(file));
  } catch (cause) {
    throw new FedKimError("ConfigError", "The file of peers cannot be read.", {
      found: file,
      needed: `a JSON object such as {"north": "64 hexadecimal digits"}`,
      cause,
    });
  }
}

function describe(policy: SitePolicy): string {
  return table(["policy", "value"], [
    ["site", policy.site],
    ["largest epsilon of any unit", String(policy.maxEpsilon)],
    ["at delta", String(policy.delta)],
    ["neighbouring relation", policy.neighboring],
    ["smallest cohort whose sum is revealed", String(policy.minimumSites)],
    ["colluding sites assumed, at least", String(policy.colluders)],
    [
      "summed with",
      policy.peers === "any" ? "whoever the aggregator enrolls" : Object.keys(policy.peers).join(", "),
    ],
    ["allowed tasks", policy.allowedTasks === "all" ? "all" : policy.allowedTasks.join(", ")],
  ]);
}
