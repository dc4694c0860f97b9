import { KeyTable } from "./_key_table.ts";

/** What the rule needs to know of a set. */
interface OwningSet {
  readonly name: string;
  readonly privacyUnit: string;
}

/**
 * Gives each patient to one set: the alphabetically first of a site's sets with a group unit (patient, image) in which
 * the patient occurs. Records of sets whose unit is the single record are in one set anyway; they are withheld only
 * where their patient belongs to a set with a group unit. The rule looks at that patient's own records only, and
 * adding or removing one record of a record-unit set never moves another record: the sets compose in parallel under
 * add/remove neighbours (McSherry 2009, theorem 4).
 *
 * Sets have to be read in the order of {@link readingOrder}: then the first look at a record decides.
 */
export class PatientOwner {
  readonly #patients = new KeyTable();
  /** Number of the owning set by patient. */
  readonly #owners: number[] = [];
  readonly #sets: string[] = [];

  /** Whether a record of this patient counts in the set; claims the patient where nobody has. */
  owns({ name, privacyUnit }: OwningSet, patient: string): boolean {
    if (this.#sets.at(-1) !== name) this.#sets.push(name);
    const set = this.#sets.length - 1;
    if (privacyUnit === "record") return this.#patients.find(patient) === undefined;
    const number = this.#patients.add(patient);
    if (number === this.#owners.length) this.#owners.push(set);
    return this.#owners[number] === set;
  }
}

/** Sets with a group unit in alphabetical order, then those whose unit is the record. */
export function readingOrder<T extends OwningSet>(sets: readonly T[]): T[] {
  const late = ({ privacyUnit }: T): number => (privacyUnit === "record" ? 1 : 0);
  return [...sets].sort((a, b) => late(a) - late(b) || (a.name < b.name ? -1 : 1));
}
