import { readIdentity, SITE_FILES, withdrawPatients } from "../src/federation/mod.ts";
import { join } from "node:path";
import { indexFederationPart } from "../src/local/mod.ts";
import { FedKimError } from "../src/formats/errors.ts";
import type { Options } from "./args.ts";
import { out } from "./terminal.ts";

/** `fedkim withdraw`: writes down that patients have withdrawn; the site's worker leaves them out from its next step on. */
export async function withdraw(options: Options<"withdraw">): Promise<void> {
  const { state, data, json } = options;
  await readIdentity(join(state, SITE_FILES.identity));
  const patients = [...options.patient, ...(options.list === undefined ? [] : await readList(options.list))];
  if (patients.length === 0) {
    throw new FedKimError("ConfigError", "Nobody is named.", {
      needed: "--patient ID, or --list FILE with one identifier a line",
    });
  }
  if (data !== undefined) await requireKnown(data, patients);
  const { added, total } = await withdrawPatients(state, patients);
  // Identifiers stay out of all output: terminals and logs are kept by others.
  out.result(
    json
      ? JSON.stringify({ added, total })
      : `${added} written down, ${total} in all. They are in no step that begins from now on.`,
  );
  if (data === undefined) out.note("Without --data it was not checked that these identifiers occur.");
}

async function readList(file: string): Promise<string[]> {
  try {
    return (await Deno.readTextFile(file)).split(/\r?\n/).map((line) => line.trim()).filter((line) =>
      line !== ""
    );
  } catch (cause) {
    throw new FedKimError("ConfigError", "The list of patients cannot be read.", {
      found: file,
      needed: "a text file with one identifier a line",
      cause,
    });
  }
}

/** A mistyped identifier would be withdrawn without any effect. */
async function requireKnown(data: string, patients: readonly string[]): Promise<void> {
  const missing = new Set(patients);
  await indexFederationPart(data, (patient) => {
    missing.delete(patient);
    return true;
  });
  if (missing.size === 0) return;
  throw new FedKimError("ConfigError", "Some of these identifiers occur in no dataset of the site.", {
    found: `${missing.size} of ${new Set(patients).size}`,
    needed: "identifiers as they stand in the records' patient field",
    remedy: "correct them; nothing was written down",
  });
}
