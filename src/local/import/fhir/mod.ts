/**
 * FHIR R4 bundles as a dataset: one record per stay (Encounter).
 *
 * {@link FhirBundle} checks the resources that matter (Patient, Encounter, Observation, Condition) and resolves
 * their references. A {@link FhirMapping} (`fedkim-import-fhir/1`) says which LOINC codes become channels of vitals
 * and labs, in which units, and which diagnoses or discharges become labels. {@link importFhir} reads bundle after
 * bundle, converts UCUM units and refuses, or counts as missing, what does not convert. Source: HL7 FHIR 4.0.1.
 *
 * @module
 */
export { FhirBundle } from "./fhir_bundle.ts";
export {
  type FhirCoding,
  type FhirConcept,
  type FhirCondition,
  type FhirEncounter,
  type FhirObservation,
  type FhirPatient,
  type FhirQuantity,
  type FhirReference,
  type FhirResource,
} from "./fhir_resources.ts";
export {
  type FhirChannel,
  type FhirLabel,
  type FhirMapping,
  type FhirModality,
  type FhirTask,
  type FhirText,
  type FhirTimeseries,
  type FhirVector,
  parseFhirMapping,
} from "./fhir_mapping.ts";
export { type FhirImportOptions, importFhir } from "./import_fhir.ts";
