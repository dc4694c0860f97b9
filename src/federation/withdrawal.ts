import { join } from "node:path";
import { z } from "zod";
import { FedKimError } from "../formats/errors.ts";
import { writeDurable } from "../formats/durable_file.ts";
import { PatientKey } from "./patient_key.ts";
import { SITE_FILES } from "./site_state.ts";

const ListSchema = z.strictObject({
  format: z.literal("fedkim-withdrawals/1"),
  keyId: z.string(),
  patients: z.array(z.strictObject({
    pseudonym: z.string().regex(/^[0-9a-f]{64}$/),
    at: z.iso.datetime(),
  })),
});

/** One patient who has withdrawn, as a keyed hash of the identifier. */
export interface Withdrawal {
  /** HMAC-SHA-256 of the identifier under the site's own key, hexadecimal. */
  readonly pseudonym: string;
  /** When it was written down, ISO time stamp. */
  readonly at: string;
}

/**
 * The withdrawals of a site, oldest first; none where there is no list.
 * @throws FedKimError `ConfigError` where the list is damaged: going on could use somebody who has withdrawn
 */
export async function readWithdrawals(stateFolder: string): Promise<readonly Withdrawal[]> {
  return (await readList(stateFolder))?.patients ?? [];
}

/** The list, made under this key. @throws FedKimError `ConfigError` for one under another key, which fits nobody */
async function listUnder(key: PatientKey, stateFolder: string): Promise<readonly Withdrawal[]> {
  const list = await readList(stateFolder);
  if (list === undefined || list.keyId === key.id) return list?.patients ?? [];
  throw new FedKimError("ConfigError", "The list of withdrawn patients was made under another key.", {
    found: `a new ${SITE_FILES.patientKey} in the state folder: the list would fit nobody`,
    needed: "the key that the list was made under",
    remedy: "restore the state folder from a backup, or remove the list and name the patients again",
  });
}

async function readList(stateFolder: string): Promise<z.infer<typeof ListSchema> | undefined> {
  const path = join(stateFolder, SITE_FILES.withdrawals);
  try {
    return ListSchema.parse(JSON.parse(await Deno.readTextFile(path)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new FedKimError("ConfigError", "The list of withdrawn patients cannot be read.", {
      found: path,
      needed: "the list that `fedkim withdraw` wrote",
      remedy: "restore it from a backup; until then this site takes part in nothing",
      cause: error,
    });
  }
}

/**
 * Writes down that some patients have withdrawn, durably; a running worker leaves them out from its next step on. The
 * identifiers themselves are not kept.
 * @param stateFolder state folder of the site
 * @param patients identifiers as in the records' patient field
 * @param now the present time
 * @returns how many were new, and how many there are
 */
export async function withdrawPatients(
  stateFolder: string,
  patients: readonly string[],
  now: Date = new Date(),
): Promise<{ readonly added: number; readonly total: number }> {
  const key = await PatientKey.open(stateFolder);
  const path = join(stateFolder, SITE_FILES.withdrawals);
  // Two calls at once must not lose one of the two lists.
  using lock = await Deno.open(`${path}.lock`, { write: true, create: true, mode: 0o600 });
  await lock.lock(true);
  const known = await listUnder(key, stateFolder);
  const pseudonyms = new Set(known.map(({ pseudonym }) => pseudonym));
  const fresh = [...new Set(patients.map((patient) => key.pseudonym("withdrawn", patient)))]
    .filter((pseudonym) => !pseudonyms.has(pseudonym));
  if (fresh.length > 0) {
    const added = fresh.map((pseudonym) => ({ pseudonym, at: now.toISOString() }));
    const list = { format: "fedkim-withdrawals/1", keyId: key.id, patients: [...known, ...added] };
    await writeDurable(path, JSON.stringify(list, null, 2));
  }
  return { added: fresh.length, total: known.length + fresh.length };
}

/** Who has withdrawn, as a running worker knows it. */
export class WithdrawnPatients {
  #pseudonyms: ReadonlySet<string> = new Set();

  private constructor(private readonly stateFolder: string, private readonly key: PatientKey) {}

  /** Reads the list of a state folder. */
  static async open(stateFolder: string, key: PatientKey): Promise<WithdrawnPatients> {
    const withdrawn = new WithdrawnPatients(stateFolder, key);
    await withdrawn.refresh();
    return withdrawn;
  }

  /** Whether a patient is on the list as it was read last. */
  has(patient: string): boolean {
    return this.#pseudonyms.size > 0 && this.#pseudonyms.has(this.key.pseudonym("withdrawn", patient));
  }

  /** How many are on the list as it was read last. */
  get size(): number {
    return this.#pseudonyms.size;
  }

  /**
   * Reads the list again. Whoever is on it stays on it.
   * @throws FedKimError as {@link readWithdrawals}
   */
  async refresh(): Promise<void> {
    const now = (await listUnder(this.key, this.stateFolder)).map(({ pseudonym }) => pseudonym);
    this.#pseudonyms = new Set([...this.#pseudonyms, ...now]);
  }
}

/** What a site's own report says about withdrawals; for the site, and sent to nobody. */
export function withdrawalNote(withdrawals: readonly Withdrawal[]): string | undefined {
  if (withdrawals.length === 0) return undefined;
  const [first, last] = [withdrawals[0].at.slice(0, 10), withdrawals[withdrawals.length - 1].at.slice(0, 10)];
  const who = withdrawals.length === 1 ? "1 patient has" : `${withdrawals.length} patients have`;
  const when = first === last ? `on ${first}` : `between ${first} and ${last}`;
  return `${who} withdrawn (${when}): their records are in no sample of any step that began later, in training or ` +
    "evaluation. What was spent before stays spent and in the ledger, and sums that were published before cannot be " +
    "taken back; the bounds above cover these patients as everybody else. Sampling rates and noise stay those of the " +
    "signed plan. This number is in the site's own report only.";
}
