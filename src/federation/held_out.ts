import { join } from "node:path";
import { z } from "zod";
import { FedKimError } from "../formats/errors.ts";
import { writeDurable } from "../formats/durable_file.ts";
import type { PatientKey } from "./patient_key.ts";
import { SITE_FILES } from "./site_state.ts";

const SplitSchema = z.strictObject({
  format: z.literal("fedkim-held-out/1"),
  heldOut: z.number().min(0).max(0.5),
  keyId: z.string(),
});

/**
 * Whether a patient is held out: a keyed hash of the patient's own identifier decides, the same for all of the patient's
 * records and sets and after every restart.
 */
export function isHeldOut(key: PatientKey, share: number, patient: string): boolean {
  return key.share("held_out", patient) < share;
}

/**
 * Fixes the share of patients that are held out. Held-out patients are charged for evaluations only and the others for
 * training only; that is right as long as nobody changes sides, so the share stands from the first accepted plan on.
 * @param stateFolder state folder of the site
 * @param share configured share
 * @param accepted whether the ledger has accepted any plan
 * @param keyId id of the key that deals patients
 * @throws FedKimError `ConfigError`, reason `split_changed`, where it stands already and is another one, or was dealt
 * under another key
 */
export async function fixHeldOutShare(
  stateFolder: string,
  share: number,
  accepted: boolean,
  keyId: string,
): Promise<void> {
  const path = join(stateFolder, SITE_FILES.heldOut);
  const known = await readSplit(path);
  // A ledger that is older than the file is that of a site which has trained on everybody.
  const standing = accepted ? known?.heldOut ?? 0 : share;
  if (accepted && standing > 0 && known!.keyId !== keyId) {
    throw new FedKimError("ConfigError", "Held-out patients were dealt under another key.", {
      reason: "split_changed",
      found: `a new ${SITE_FILES.patientKey} in the state folder`,
      needed: "the key that this site had when it accepted its first plan",
      remedy: "restore the state folder from a backup",
    });
  }
  if (standing !== share) {
    throw new FedKimError("ConfigError", "The share of held-out patients cannot change any more.", {
      reason: "split_changed",
      found: `heldOut = ${share}, where this site has accepted plans with ${standing}`,
      needed:
        `heldOut = ${standing}: patients who changed sides would be charged for one of two releases only`,
      remedy: "put it back; or give the dataset another name in its manifest and start a new state folder",
    });
  }
  if (accepted) return;
  await writeDurable(path, JSON.stringify({ format: "fedkim-held-out/1", heldOut: share, keyId }));
}

async function readSplit(path: string): Promise<z.infer<typeof SplitSchema> | undefined> {
  try {
    return SplitSchema.parse(JSON.parse(await Deno.readTextFile(path)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new FedKimError("ConfigError", "The record of held-out patients is damaged.", {
      found: path,
      remedy: "restore the state folder from a backup",
      cause: error,
    });
  }
}
