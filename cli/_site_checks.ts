/** What a site needs before its next step: a reachable aggregator, a right clock, a policy, data and room on the disk. @module */
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { FedKimError } from "../src/formats/errors.ts";
import { missingPermission } from "../src/formats/missing_permission.ts";
import {
  causesOf,
  type ClientConfig,
  outboundClient,
  type OutboundConfig,
  readIdentity,
  readPolicy,
  SITE_FILES,
  tlsRemedy,
} from "../src/federation/mod.ts";

/** From this difference of the clocks on a site is warned, milliseconds. */
export const NOTABLE_SKEW_MS = 60_000;
/** From this difference on the aggregator refuses signed requests, milliseconds. */
const REFUSED_SKEW_MS = 300_000;
/** Free bytes of the state folder below which a site does not start: ledger, features and cached models live there. */
const LEAST_FREE_BYTES = 256 * 1024 ** 2;
/** How long an aggregator may take to answer, milliseconds. */
const ANSWER_MS = 10_000;

/** What an aggregator's health page says. */
export interface Answer {
  /** HTTP status. */
  readonly status: number;
  /** Difference of the two clocks, milliseconds; NaN where the answer carries no date. */
  readonly skewMs: number;
}

/**
 * Asks an aggregator for its health page.
 * @param outbound how it is reached; the platform's own way by default
 * @throws FedKimError `NetworkError` without an answer, `ConfigError` for TLS files that cannot be used
 */
export async function askAggregator(url: string, outbound: OutboundConfig = {}): Promise<Answer> {
  const http = await outboundClient(outbound);
  try {
    const response = await fetch(`${url.replace(/\/+$/, "")}/healthz`, {
      // Whoever answers must not be able to send this machine to an address of the inner network.
      redirect: "manual",
      signal: AbortSignal.timeout(ANSWER_MS),
      ...(http === undefined ? {} : { client: http }),
    });
    await response.body?.cancel();
    const skewMs = Math.abs(Date.parse(response.headers.get("date") ?? "") - Date.now());
    return { status: response.status, skewMs };
  } catch (cause) {
    throw missingPermission(cause) ?? new FedKimError("NetworkError", "The aggregator cannot be reached.", {
      found: `${url}: ${causesOf(cause).join(": ")}`,
      remedy: tlsRemedy(cause) ??
        "check the address, the proxy and the firewall, and that the aggregator runs",
      cause,
    });
  } finally {
    http?.close();
  }
}

/**
 * Asks an aggregator whether it is there, and compares the clocks.
 * @param outbound how it is reached; the platform's own way by default
 * @returns the difference of the clocks, milliseconds
 * @throws FedKimError `NetworkError` without an answer, `AuthenticationError` where signatures could not hold
 */
export async function aggregatorSkew(url: string, outbound: OutboundConfig = {}): Promise<number> {
  const { status, skewMs } = await askAggregator(url, outbound);
  if (status < 200 || status > 299) {
    const redirected = status >= 300 && status < 400;
    throw new FedKimError("NetworkError", "This address is not that of an aggregator that works.", {
      ...(redirected ? { reason: "redirected" } : {}),
      found: `${url}/healthz answers ${status}${redirected ? "; redirections are not followed" : ""}`,
      remedy: "ask the consortium for the right address",
    });
  }
  if (skewMs >= REFUSED_SKEW_MS) {
    throw new FedKimError("AuthenticationError", "The clocks of this machine and of the aggregator differ.", {
      found: `${Math.round(skewMs / 1000)} s`,
      needed: "at most 300 s: signed requests carry the time",
      remedy: "set this machine's clock (NTP)",
    });
  }
  return skewMs;
}

/** Free space of the state folder in words. @throws FedKimError `ConfigError` where it is too little for a site */
export async function requireFreeSpace(state: string): Promise<string> {
  const { bavail, bsize } = await statfs(state);
  const found = `${Math.round(bavail * bsize / 1024 ** 2)} MiB free at ${state}`;
  if (bavail * bsize >= LEAST_FREE_BYTES) return found;
  throw new FedKimError("ConfigError", "The disk of the state folder is full.", {
    found,
    needed: `${LEAST_FREE_BYTES / 1024 ** 2} MiB for the ledger, models and features`,
    remedy: "make room, or move the state folder as a whole while no client runs",
  });
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
  await requireFreeSpace(state);
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
