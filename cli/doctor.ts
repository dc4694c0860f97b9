import { readClientConfig } from "../src/federation/mod.ts";
import { FedKimError } from "../src/formats/errors.ts";
import { EMBEDDED_MODEL_FOLDER, inspectCheckpoint } from "../src/foundation/mod.ts";
import { selectBackend } from "../src/tensor/mod.ts";
import { type Check, check } from "./_doctor_check.ts";
import { memoryOnDiskChecks } from "./_doctor_host.ts";
import { networkChecks } from "./_doctor_network.ts";
import { siteChecks } from "./_doctor_site.ts";
import type { Options } from "./args.ts";
import { out, paint } from "./terminal.ts";

/** `fedkim doctor`: what is wrong on this machine or site, and what to do. Fails when a check fails. */
export async function doctor(options: Options<"doctor">): Promise<void> {
  const checks = await machineChecks(options);
  if (options.config !== undefined) checks.push(...await configuredChecks(options.config));
  const failed = failureOf(checks);
  if (options.json) {
    const error = failed === undefined ? {} : { error: { code: failed.code, message: failed.message } };
    out.result(JSON.stringify({ checks, ...error }));
  } else for (const each of checks) out.result(sentence(each));
  if (failed !== undefined) throw failed;
}

function failureOf(checks: readonly Check[]): FedKimError | undefined {
  const failed = checks.filter((item) => !item.ok);
  if (failed.length === 0) return undefined;
  return new FedKimError("ConfigError", `${failed.length} of ${checks.length} checks failed.`, {
    found: failed.map((item) => item.name).join(", "),
    remedy: "follow the remedy printed beside each failed check",
  });
}

async function machineChecks(options: Options<"doctor">): Promise<Check[]> {
  return [
    await check("tensor backend", "choose another with --backend", async () => {
      const backend = await selectBackend(options.backend);
      return `${backend.name} (${backend.device}): ${backend.reason}`;
    }),
    await check("random numbers", "do not run a site here: keys and noise would be guessable", () => {
      const bytes = crypto.getRandomValues(new Uint8Array(32));
      if (bytes.every((byte) => byte === bytes[0])) {
        throw new Error("the system's random source gives constant bytes");
      }
      return "the operating system's CSPRNG answers";
    }),
    await check("embedded foundation model", "install FedKIM again", async () => {
      const summary = await inspectCheckpoint(EMBEDDED_MODEL_FOLDER);
      return `${EMBEDDED_MODEL_FOLDER}: ${summary.parameterCount} parameters`;
    }),
  ];
}

async function configuredChecks(file: string): Promise<Check[]> {
  const read = await check(
    "configuration",
    "correct the file; docs/configuration.md lists all fields",
    async () => (await readClientConfig(file), file),
  );
  if (!read.ok) return [read];
  const config = await readClientConfig(file);
  return [read, ...await siteChecks(config), ...await memoryOnDiskChecks(), ...await networkChecks(config)];
}

function sentence({ name, ok, detail }: Check): string {
  return `${ok ? "ok  " : paint("red", "FAIL")} ${name}: ${detail}`;
}
