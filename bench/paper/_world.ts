import { existsSync } from "node:fs";
import { FedKimError } from "../../src/formats/errors.ts";
import { EMBEDDED_MODEL_FOLDER } from "../../src/foundation/mod.ts";
import { type FoundationBase, loadFoundation } from "../../src/federation/foundation_base.ts";
import { loadFederationPart, readFederation, type SiteData } from "../../src/local/mod.ts";

/** Everything but the test part: what choices may be made on, and what frozen runs train on. */
export interface World {
  /** Folder of the federation. */
  readonly folder: string;
  /** Folder of the frozen language model. */
  readonly foundationModel: string;
  readonly foundation: FoundationBase;
  readonly publicFolder: string;
  readonly publicData: SiteData;
  readonly sites: readonly SiteData[];
}

/**
 * The federation folder: FEDKIM_SHARED, or `../shared` beside the repository.
 * @throws FedKimError `DatasetError` where it is absent
 */
export function federationFolder(): string {
  const shared = Deno.env.get("FEDKIM_SHARED") ?? new URL("../../../shared", import.meta.url).pathname;
  const folder = `${shared}/data/federated`;
  if (existsSync(`${folder}/federation.json`)) return folder;
  throw new FedKimError("DatasetError", "The real data that these experiments run on are not here.", {
    found: `no ${folder}/federation.json`,
    needed: "the four-hospital federation (eICU demo, NIH ChestX-ray14, MIT-BIH, VQA-RAD)",
    remedy: "put it beside the repository as ../shared/data/federated, or set FEDKIM_SHARED",
  });
}

/** Loads public data, sites and language model. */
export async function openWorld(
  folder: string,
  foundationModel: string = EMBEDDED_MODEL_FOLDER,
): Promise<World> {
  const folders = await readFederation(folder);
  return {
    folder,
    foundationModel,
    foundation: await loadFoundation(foundationModel),
    publicFolder: folders.public,
    publicData: await loadFederationPart(folders.public),
    sites: await Promise.all(folders.sites.map(({ dir }) => loadFederationPart(dir))),
  };
}
