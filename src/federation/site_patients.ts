import {
  dataIdentity,
  indexFederationPart,
  requireSameData,
  type SiteIndex,
  StoredSet,
  type TrainingFeatures,
  unitsOfPatients,
} from "../local/mod.ts";
import type { RandomBytes } from "../formats/random_bytes.ts";
import type { ClientConfig } from "./config.ts";
import { fixHeldOutShare, isHeldOut } from "./held_out.ts";
import { PatientKey } from "./patient_key.ts";
import { WithdrawnPatients } from "./withdrawal.ts";

/** Which of a site's patients are trained on, which are held out for evaluations, and who has withdrawn. */
export class SitePatients {
  /** How many had withdrawn when the records to train on were chosen. */
  #indexed = 0;
  /** How many had withdrawn when features were looked through last. */
  readonly #applied = new WeakMap<TrainingFeatures, number>();

  private constructor(
    private readonly config: Pick<ClientConfig, "state" | "data" | "heldOut">,
    private readonly key: PatientKey,
    private readonly gone: WithdrawnPatients,
  ) {}

  /**
   * Opens a site's key and list of withdrawals.
   * @throws FedKimError `ConfigError` where one of them is damaged
   */
  static async open(
    config: Pick<ClientConfig, "state" | "data" | "heldOut">,
    randomBytes?: RandomBytes,
  ): Promise<SitePatients> {
    const key = await PatientKey.open(config.state, randomBytes);
    return new SitePatients(config, key, await WithdrawnPatients.open(config.state, key));
  }

  /**
   * Fixes who is held out; has to come before anything is trained or evaluated.
   * @param accepted whether the ledger has accepted any plan
   * @throws FedKimError `ConfigError`, reason `split_changed`, where it is fixed already in another way
   */
  async fixSplit(accepted: boolean): Promise<void> {
    await fixHeldOutShare(this.config.state, this.config.heldOut, accepted, this.key.id);
  }

  /** Whether a patient has withdrawn, as the list was read last. */
  hasWithdrawn(patient: string): boolean {
    return this.gone.has(patient);
  }

  /** The site's records to train on: those of held-out and withdrawn patients are not in use. */
  async trained(): Promise<SiteIndex> {
    this.#indexed = this.gone.size;
    return await this.#index(false);
  }

  /**
   * The records to evaluate on: those of held-out patients who have not withdrawn.
   * @param trained what the site trains on
   * @throws FedKimError `DatasetError` where the data have changed since that was indexed
   */
  async heldOut(trained: SiteIndex): Promise<SiteIndex> {
    const index = await this.#index(true);
    requireSameData(index, dataIdentity(trained));
    return index;
  }

  async #index(heldOut: boolean): Promise<SiteIndex> {
    const { data, heldOut: share } = this.config;
    return await indexFederationPart(
      data,
      (patient) => isHeldOut(this.key, share, patient) === heldOut && !this.gone.has(patient),
    );
  }

  /**
   * Looks at the list of withdrawals again and takes whoever is new on it out of the sets that steps sample from.
   * @param trained what the features were made from
   * @param features the sets
   * @throws FedKimError `ConfigError` for a damaged list, `DatasetError` for changed data: the step has no vector then
   */
  async leaveOutWithdrawn(trained: SiteIndex, features: TrainingFeatures): Promise<void> {
    await this.gone.refresh();
    const { size } = this.gone;
    if (size === (this.#applied.get(features) ?? this.#indexed)) return;
    for (const [name, units] of await unitsOfPatients(trained, (patient) => this.gone.has(patient))) {
      const set = features.sets.get(name);
      if (set instanceof StoredSet) set.withdraw(units);
    }
    this.#applied.set(features, size);
  }
}
