import { createHmac } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { asDiskFull } from "../formats/durable_file.ts";
import { FedKimError } from "../formats/errors.ts";
import { fileInfo } from "../formats/file_info.ts";
import { fromHex, toHex } from "../formats/hex.ts";
import { cryptoRandomBytes, type RandomBytes } from "../formats/random_bytes.ts";
import { SITE_FILES } from "./site_state.ts";

const KeySchema = z.strictObject({
  format: z.literal("fedkim-patient-key/1"),
  key: z.string().regex(/^[0-9a-f]{64}$/),
});

/** What a keyed hash is for: the same patient has unrelated values for two purposes. */
export type PatientPurpose = "held_out" | "withdrawn";

/**
 * A site's secret key for hashes of patient identifiers (HMAC-SHA-256). Without it nobody can tell which patients are
 * held out, or whether somebody is on the list of withdrawals, and identifiers stand in no file of the state folder.
 */
export class PatientKey {
  private constructor(private readonly key: Uint8Array) {}

  /**
   * The key of a state folder, made at the first call.
   * @throws FedKimError `ConfigError` where the file is damaged: another key would deal patients anew
   */
  static async open(stateFolder: string, randomBytes: RandomBytes = cryptoRandomBytes): Promise<PatientKey> {
    const path = join(stateFolder, SITE_FILES.patientKey);
    const fresh = { format: "fedkim-patient-key/1", key: toHex(randomBytes(32)) };
    await createOnce(path, JSON.stringify(fresh));
    const parsed = KeySchema.safeParse(await readJson(path));
    const key = parsed.success ? fromHex(parsed.data.key) : undefined;
    if (key !== undefined) return new PatientKey(key);
    throw new FedKimError("ConfigError", "The site's key for patient identifiers is damaged.", {
      found: path,
      needed: "the file that this site wrote when it first took part",
      remedy: "restore the state folder from a backup; a new key would deal held-out patients anew",
    });
  }

  /** Names the key without telling it: a list that was made under another key is noticed. */
  get id(): string {
    return createHmac("sha256", this.key).update("fedkim/patient-key/1").digest("hex").slice(0, 16);
  }

  /** Hash of a patient's identifier, 64 hexadecimal digits. */
  pseudonym(purpose: PatientPurpose, patient: string): string {
    return createHmac("sha256", this.key).update(`fedkim/${purpose}/1\n${patient}`).digest("hex");
  }

  /** A number in [0, 1) that follows from the patient's identifier and the key alone. */
  share(purpose: PatientPurpose, patient: string): number {
    return parseInt(this.pseudonym(purpose, patient).slice(0, 12), 16) / 2 ** 48;
  }
}

/** Writes a file unless it exists; of two processes at once one wins, and the file is whole when it has its name. */
async function createOnce(path: string, text: string): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    if (await fileInfo(path) !== undefined) return;
    const file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
    try {
      const bytes = new TextEncoder().encode(text);
      for (let offset = 0; offset < bytes.length;) offset += await file.write(bytes.subarray(offset));
      await file.sync();
    } finally {
      file.close();
    }
    await Deno.link(temporary, path); // fails where another process was first
  } catch (cause) {
    if (cause instanceof Deno.errors.AlreadyExists) return;
    const full = asDiskFull(path, cause);
    if (full !== cause) throw full;
    throw new FedKimError("ConfigError", "The site's state folder cannot be written.", {
      found: `${path}: ${cause instanceof Error ? cause.name : "an unknown failure"}`,
      needed: "the state folder of an enrolled site",
      cause,
    });
  } finally {
    await Deno.remove(temporary).catch(() => {});
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch {
    return undefined;
  }
}
