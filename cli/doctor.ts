import { join } from "node:path";
import {
  readClientConfig,
  readIdentity,
  readPinnedAggregator,
  readPolicy,
  SITE_FILES,
} from "../src/federation/mod.ts";
import { FedKimError } from "../src/formats/errors.ts";
import { EMBEDDED_MODEL_FOLDER, inspectCheckpoint } from "../src/foundation/mod.ts";
import { loadFederationPart } from "../src/local/mod.ts";
import { selectBackend } from "../src/tensor/mod.ts";
import { aggregatorSkew, checkSite, NOTABLE_SKEW_MS } from "./_site_checks.ts";
import type { Options } from "./args.ts";
import { out, paint } from "./terminal.ts";

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** `fedkim doctor`: what is wrong on this machine or site, and what to do. Fails when a check fails. */
export async function doctor(options: Options<"doctor">): Promise<void> {
  const checks: Check[] = [
    await check("tensor backend", async () => {
      const backend = await selectBackend(options.backend);
      return `${backend.name} (${backend.device}): ${backend.reason}`;
    }),
    await check("random numbers", () => {
      const bytes = crypto.getRandomValues(new Uint8Array(32));
      if (bytes.every((byte) => byte === bytes[0])) {
        throw new Error("the system's random source gives constant bytes");
      }
      return "the operating system's CSPRNG answers";
    }),
    await check("embedded foundation model", async () => {
      const summary = await inspectCheckpoint(EMBEDDED_MODEL_FOLDER);
      return `${EMBEDDED_MODEL_FOLDER}: ${summary.parameterCount} parameters`;
    }),
  ];
  if (options.config !== undefined) checks.push(...await siteChecks(options.config));
  if (options.json) out.result(JSON.stringify({ checks }));
  else {checks.forEach(({ name, ok, detail }) => {
      out.result(`${ok ? "ok  " : paint("red", "FAIL")} ${name}: ${detail}`);
    });}
  const failed = checks.filter((item) => !item.ok);
  if (failed.length > 0) {
    throw new FedKimError("ConfigError", `${failed.length} of ${checks.length} checks failed.`, {
      found: failed.map((item) => item.name).join(", "),
      remedy: "follow the remedy printed beside each failed check",
    });
  }
}

async function siteChecks(file: string): Promise<Check[]> {
  const checks: Check[] = [];
  const add = async (name: string, test: () => Promise<string>) => void checks.push(await check(name, test));
  const config = await readClientConfig(file);
  await add("data", async () => {
    const part = await loadFederationPart(config.data);
    return `${part.sets.map((set) => `${set.name} ${set.records.length} records`).join(", ")}`;
  });
  await add("identity and policy", async () => {
    const identity = await readIdentity(join(config.state, SITE_FILES.identity));
    const policy = await readPolicy(join(config.state, SITE_FILES.policy), identity);
    return `${identity.id}: epsilon at most ${policy.maxEpsilon} at delta ${policy.delta}, at least ${policy.minimumSites} sites`;
  });
  await add("room on the disk", async () => {
    await checkSite(config);
    return "enough for ledger, models and features";
  });
  await add("private key file", async () => {
    const { mode } = await Deno.stat(join(config.state, SITE_FILES.identity));
    if (mode !== null && (mode & 0o077) !== 0) {
      throw new Error("others can read the private key; run: chmod 600 on identity.json");
    }
    return "readable by its owner only";
  });
  await add("aggregator and clock", async () => {
    const { url } = await readPinnedAggregator(config.state);
    const skew = await aggregatorSkew(url);
    if (skew > NOTABLE_SKEW_MS) {
      throw new Error(`the clocks differ by ${Math.round(skew / 1000)} s; set this machine's clock (NTP)`);
    }
    return `${url} answers`;
  });
  return checks;
}

async function check(name: string, test: () => string | Promise<string>): Promise<Check> {
  try {
    return { name, ok: true, detail: await test() };
  } catch (error) {
    return { name, ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}
