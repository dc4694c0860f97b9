/** What a site needs before its next step: a reachable aggregator, a right clock, a policy, data and room on the disk. @module */
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { FedKimError } from "../src/formats/errors.ts";
import { type ClientConfig, readIdentity, readPolicy, SITE_FILES } from "../src/federation/mod.ts";

/** From this difference of the clocks on a site is warned, milliseconds. */
export const NOTABLE_SKEW_MS = 60_000;
/** From this difference on the aggregator refuses signed requests, milliseconds. */
const REFUSED_SKEW_MS = 300_000;
/** Free bytes of the state folder below which a site does not start: ledger, features and cached models live there. */
const LEAST_FREE_BYTES = 256 * 1024 ** 2;
/** How long an aggregator may take to answer, milliseconds. */
const ANSWER_MS = 10_000;

/**
 * Asks an aggregator whether it is there, and compares the clocks.
 * @returns the difference of the clocks, milliseconds
 * @throws FedKimError `NetworkError` without an answer, `AuthenticationError` where signatures could not hold
 */
export async function aggregatorSkew(url: string): Promise<number> {
  let response: Response;
  try {
    response = await fetch(`${url.replace(/\/+$/, "")}/healthz`, { signal: AbortSignal.timeout(ANSWER_MS) });
  } catch (cause) {
    throw new FedKimError("NetworkError", "The aggregator cannot be reached.", {
      found: `${url}: ${cause instanceof Error ? cause.message : String(cause)}`,
      remedy: "check the address, the proxy and the firewall, and that the aggregator runs",
      cause,
    });
  }
  await response.body?.cancel();
  if (!response.ok) {
    throw new FedKimError("NetworkError", "This address is not that of an aggregator that works.", {
      found: `${url}/healthz answers ${response.status}`,
      remedy: "ask the consortium for the right address",
    });
  }
  const skew = Math.abs(Date.parse(response.headers.get("date") ?? "") - Date.now());
  if (skew >= REFUSED_SKEW_MS) {
    throw new FedKimError("AuthenticationError", "The clocks of this machine and of the aggregator differ.", {
      found: `${Math.round(skew / 1000)} s`,
      needed: "at most 300 s: signed requests carry the time",
      remedy: "set this machine's clock (NTP)",
    });
  }
  return skew;
}

/**
 * Checks what the worker will need, before it loads anything: policy, data folder, room on the disk.
 * @throws FedKimError `ConfigError`, `PolicyRefused` or `DatasetError` that says what to do
 */
export async function checkSite({ state, data }: ClientConfig): Promise<void> {
  const identity = await readIdentity(join(state, SITE_FILES.identity));
  await readPolicy(join(state, SITE_FILES.policy), identity);
  if (!await holdsDataset(data)) {
    throw new FedKimError("DatasetError", "The data folder holds no dataset.", {
      found: data,
      needed: "a folder with one folder per set, each with dataset.json",
      remedy:
        "import your files: fedkim dataset import --mapping FILE --out DIR/SET, then: fedkim dataset inspect DIR",
    });
  }
  const { bavail, bsize } = await statfs(state);
  if (bavail * bsize < LEAST_FREE_BYTES) {
    throw new FedKimError("ConfigError", "The disk of the state folder is full.", {
      found: `${Math.round(bavail * bsize / 1024 ** 2)} MiB free at ${state}`,
      needed: `${LEAST_FREE_BYTES / 1024 ** 2} MiB for the ledger, models and features`,
      remedy: "make room, or move the state folder as a whole while no client runs",
    });
  }
}

async function holdsDataset(dir: string): Promise<boolean> {
  try {
    for await (const entry of Deno.readDir(dir)) {
      const manifest = Deno.stat(join(dir, entry.name, "dataset.json")).then(() => true, () => false);
      if (entry.name === "dataset.json" || await manifest) return true;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) throw error;
  }
  return false;
}
