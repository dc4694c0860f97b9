import { badFile, badValue } from "../source_errors.ts";
import {
  type FhirCondition,
  type FhirEncounter,
  type FhirObservation,
  type FhirPatient,
  type FhirReference,
  type FhirResource,
  fhirResource,
} from "./fhir_resources.ts";

/** The resources of one bundle, with their references resolved by {@link FhirBundle.find}. */
export class FhirBundle {
  /** The file, for messages. */
  readonly file: string;
  /** Stays with their names. */
  readonly encounters: readonly { readonly name: string; readonly resource: FhirEncounter }[];
  /** Measurements. */
  readonly observations: readonly FhirObservation[];
  /** Diagnoses. */
  readonly conditions: readonly FhirCondition[];
  /** Patients by name. */
  readonly patients: ReadonlyMap<string, FhirPatient>;
  readonly #names: ReadonlyMap<string, string>;

  /**
   * Parses a bundle and checks the resources that an import reads.
   *
   * @param text the JSON of a Bundle
   * @param file its name, for messages
   * @throws FedKimError `FormatError` when it is no Bundle, `DatasetError` naming the entry that is malformed
   */
  constructor(text: string, file: string) {
    this.file = file;
    const encounters: { name: string; resource: FhirEncounter }[] = [];
    const observations: FhirObservation[] = [];
    const conditions: FhirCondition[] = [];
    const patients = new Map<string, FhirPatient>();
    const names = new Map<string, string>();
    for (const { resource, fullUrl, index } of entriesOf(text, file)) {
      const name = resource.id ?? fullUrl?.replace(/^urn:uuid:/, "") ?? `entry ${index}`;
      if (resource.id !== undefined) names.set(`${resource.resourceType}/${resource.id}`, name);
      if (fullUrl !== undefined) names.set(fullUrl, name);
      switch (resource.resourceType) {
        case "Patient":
          patients.set(name, resource);
          break;
        case "Encounter":
          encounters.push({ name, resource });
          break;
        case "Observation":
          observations.push(resource);
          break;
        case "Condition":
          conditions.push(resource);
          break;
      }
    }
    this.encounters = encounters;
    this.observations = observations;
    this.conditions = conditions;
    this.patients = patients;
    this.#names = names;
  }

  /**
   * The name of the resource that a reference points to.
   *
   * @param reference a reference of this bundle
   * @returns undefined where there is none; an identifier outside the bundle keeps its own name
   */
  find(reference: FhirReference | undefined): string | undefined {
    const target = reference?.reference;
    if (target === undefined) return undefined;
    const relative = /([A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64})(?:\/_history\/.*)?$/.exec(target)?.[1];
    return this.#names.get(target) ?? (relative === undefined ? undefined : this.#names.get(relative)) ??
      relative?.split("/")[1] ?? target.replace(/^urn:uuid:/, "");
  }
}

interface Entry {
  readonly resource: FhirResource;
  readonly fullUrl: string | undefined;
  readonly index: number;
}

const READ = new Set(["Patient", "Encounter", "Observation", "Condition"]);

function* entriesOf(text: string, file: string): Generator<Entry> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw badFile(file, "FHIR", "text that is no JSON", "a FHIR R4 Bundle in JSON", cause);
  }
  if (!isObject(json) || json.resourceType !== "Bundle" || !Array.isArray(json.entry ?? [])) {
    const found = isObject(json) && typeof json.resourceType === "string"
      ? `a ${json.resourceType.slice(0, 40)}`
      : "something else";
    throw badFile(file, "FHIR", found, "a FHIR R4 Bundle");
  }
  for (const [index, entry] of ((json.entry ?? []) as unknown[]).entries()) {
    const resource = isObject(entry) ? entry.resource : undefined;
    if (
      !isObject(resource) || typeof resource.resourceType !== "string" || !READ.has(resource.resourceType)
    ) continue;
    const checked = fhirResource.safeParse(resource);
    if (!checked.success) {
      const [issue] = checked.error.issues;
      throw badValue(
        {
          file,
          record: `entry ${index} (${resource.resourceType})`,
          field: issue.path.map(String).join("."),
        },
        issue.message,
        "a resource of FHIR R4",
      );
    }
    const fullUrl = (entry as Record<string, unknown>).fullUrl;
    yield { resource: checked.data, fullUrl: typeof fullUrl === "string" ? fullUrl : undefined, index };
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
