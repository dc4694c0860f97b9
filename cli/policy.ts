import { join } from "node:path";
import { readIdentity, readPolicy, SITE_FILES, type SitePolicy, writePolicy } from "../src/federation/mod.ts";
import { FedKimError } from "../src/formats/errors.ts";
import { toHex } from "../src/formats/hex.ts";
import type { Identity } from "../src/secure_agg/mod.ts";
import type { Options } from "./args.ts";
import { out, table } from "./terminal.ts";

/** `fedkim policy`: write and sign a site's policy, or show it. */
export async function policy(options: Options<"policy">): Promise<void> {
  const identity = await readIdentity(join(options.state, SITE_FILES.identity));
  const path = join(options.state, SITE_FILES.policy);
  const writes = options.epsilon !== undefined;
  if (options.epsilon === undefined) refuseHalfAPolicy(options);
  else {
    const minimumSites = options.minimumSites ?? 3;
    await writePolicy(path, {
      format: "fedkim-policy/1",
      site: identity.id,
      maxEpsilon: options.epsilon,
      delta: options.delta ?? 1e-5,
      neighboring: "add_or_remove_one",
      minimumSites,
      colluders: 1,
      peers: options.peers === undefined ? "any" : await readPeers(options.peers, identity, minimumSites),
      allowedTasks: options.tasks === undefined || options.tasks === "all" ? "all" : options.tasks.split(","),
      ...evaluationOf(options),
    }, identity);
  }
  const current = await readPolicy(path, identity);
  out.result(options.json ? JSON.stringify(current) : describe(current));
  if (!writes) return;
  if (current.peers === "any") {
    out.note(
      "Without --peers this site is summed with whoever the aggregator enrolls: name their keys if you can.",
    );
  }
  out.note(`Next: fedkim client --state ${options.state} --data DIR`);
}

/** A flag that would be lost without a word is an error. */
function refuseHalfAPolicy(options: Options<"policy">): void {
  const { delta, minimumSites, peers, tasks, evaluationEpsilon, evaluationMinimum } = options;
  const parts = [delta, minimumSites, peers, tasks, evaluationEpsilon, evaluationMinimum];
  if (parts.every((value) => value === undefined)) return;
  throw new FedKimError("ConfigError", "A policy is written as a whole.", {
    found: "flags of a policy without --epsilon",
    needed: "--epsilon with the other flags; without any of them the policy is shown",
  });
}

/** What the policy allows of evaluations; nothing without an epsilon for them. */
function evaluationOf(options: Options<"policy">): Pick<SitePolicy, "evaluation"> {
  const { evaluationEpsilon: maxEpsilon, evaluationMinimum } = options;
  if (maxEpsilon !== undefined) return { evaluation: { maxEpsilon, minimumCount: evaluationMinimum ?? 20 } };
  if (evaluationMinimum === undefined) return {};
  throw new FedKimError("ConfigError", "The policy allows no evaluation.", {
    found: "--evaluation-minimum without --evaluation-epsilon",
    needed: "both, or none of them",
  });
}

/** Reads the keys of the sites that this one may be summed with, and checks what can be checked here. */
async function readPeers(
  file: string,
  identity: Identity,
  minimumSites: number,
): Promise<Record<string, string>> {
  const peers = await readKeys(file);
  const wrong = Object.entries(peers).filter(([, key]) => !/^[0-9a-f]{64}$/.test(key)).map(([name]) => name);
  const own = toHex(identity.publicKey);
  if (wrong.length === 0 && (peers[identity.id] ?? own) === own) {
    const known = Object.keys({ ...peers, [identity.id]: own }).length;
    if (known >= minimumSites) return peers;
    wrong.push(`${known} sites with this one, but ${minimumSites} are the smallest cohort`);
  } else if (wrong.length === 0) wrong.push(`another key for ${identity.id}, this site itself`);
  throw new FedKimError("ConfigError", "The peers do not fit.", {
    found: wrong.join(", "),
    needed: `64 lower-case hexadecimal digits for each site, and enough sites for --minimum-sites`,
    remedy: "compare the keys with the other hospitals; `fedkim enroll --invite` printed each site's own",
  });
}

async function readKeys(file: string): Promise<Record<string, string>> {
  try {
    const peers = JSON.parse(await Deno.readTextFile(file));
    const isObject = typeof peers === "object" && peers !== null && !Array.isArray(peers);
    if (isObject && Object.values(peers).every((key) => typeof key === "string")) return peers;
    throw new TypeError("not an object of texts");
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
    [
      "evaluation on held-out patients",
      policy.evaluation === undefined
        ? "not allowed"
        : `up to epsilon ${policy.evaluation.maxEpsilon}, groups from a noisy count of ${policy.evaluation.minimumCount}`,
    ],
  ]);
}
