import { z } from "zod";

/** A code with its system. */
export interface FhirCoding {
  /** URI of the code system. */
  readonly system?: string | undefined;
  /** The code. */
  readonly code?: string | undefined;
}

/** A concept in several code systems. */
export interface FhirConcept {
  /** Its codes. */
  readonly coding?: readonly FhirCoding[] | undefined;
  /** Its text. */
  readonly text?: string | undefined;
}

/** A reference to another resource. */
export interface FhirReference {
  /** Relative (`Patient/1`), absolute or `urn:uuid:`. */
  readonly reference?: string | undefined;
}

/** A measured amount. */
export interface FhirQuantity {
  /** The number. */
  readonly value?: number | undefined;
  /** For example `<`: the number is a bound. */
  readonly comparator?: string | undefined;
  /** Unit for people. */
  readonly unit?: string | undefined;
  /** Unit in UCUM. */
  readonly code?: string | undefined;
}

/** Who a record belongs to. */
export interface FhirPatient {
  /** Discriminator. */
  readonly resourceType: "Patient";
  /** Identifier in its server. */
  readonly id?: string | undefined;
  /** Administrative gender. */
  readonly gender?: string | undefined;
  /** Date of birth. */
  readonly birthDate?: string | undefined;
  /** Whether the patient died. */
  readonly deceasedBoolean?: boolean | undefined;
  /** When the patient died. */
  readonly deceasedDateTime?: string | undefined;
  /** Whether names are stated; they are never read. */
  readonly name?: unknown;
}

/** A stay or visit: one record. */
export interface FhirEncounter {
  /** Discriminator. */
  readonly resourceType: "Encounter";
  /** Identifier in its server. */
  readonly id?: string | undefined;
  /** For example `finished`. */
  readonly status?: string | undefined;
  /** For example `IMP` for an inpatient stay. */
  readonly class?: FhirCoding | undefined;
  /** The patient. */
  readonly subject?: FhirReference | undefined;
  /** Begin and end. */
  readonly period?: { readonly start?: string | undefined; readonly end?: string | undefined } | undefined;
  /** Why the patient came. */
  readonly reasonCode?: readonly FhirConcept[] | undefined;
  /** How the stay ended. */
  readonly hospitalization?: { readonly dischargeDisposition?: FhirConcept | undefined } | undefined;
}

/** A measurement. */
export interface FhirObservation {
  /** Discriminator. */
  readonly resourceType: "Observation";
  /** Identifier in its server. */
  readonly id?: string | undefined;
  /** For example `final`. */
  readonly status?: string | undefined;
  /** What was measured. */
  readonly code: FhirConcept;
  /** The patient. */
  readonly subject?: FhirReference | undefined;
  /** The stay. */
  readonly encounter?: FhirReference | undefined;
  /** When it was measured. */
  readonly effectiveDateTime?: string | undefined;
  /** When it was measured. */
  readonly effectiveInstant?: string | undefined;
  /** When it was measured, from and to. */
  readonly effectivePeriod?: { readonly start?: string | undefined } | undefined;
  /** The value. */
  readonly valueQuantity?: FhirQuantity | undefined;
  /** Values of parts, for example the two blood pressures. */
  readonly component?:
    | readonly { readonly code: FhirConcept; readonly valueQuantity?: FhirQuantity | undefined }[]
    | undefined;
}

/** A diagnosis. */
export interface FhirCondition {
  /** Discriminator. */
  readonly resourceType: "Condition";
  /** Identifier in its server. */
  readonly id?: string | undefined;
  /** What it is. */
  readonly code?: FhirConcept | undefined;
  /** The patient. */
  readonly subject?: FhirReference | undefined;
  /** The stay. */
  readonly encounter?: FhirReference | undefined;
  /** For example `confirmed` or `entered-in-error`. */
  readonly verificationStatus?: FhirConcept | undefined;
}

/** The resources that an import reads. */
export type FhirResource = FhirPatient | FhirEncounter | FhirObservation | FhirCondition;

const text = z.string().max(100_000).optional();
const coding: z.ZodType<FhirCoding> = z.object({ system: text, code: text });
const concept: z.ZodType<FhirConcept> = z.object({ coding: z.array(coding).optional(), text });
const reference: z.ZodType<FhirReference> = z.object({ reference: text });
const quantity: z.ZodType<FhirQuantity> = z.object({
  value: z.number().optional(),
  comparator: text,
  unit: text,
  code: text,
});
const period = z.object({ start: text, end: text });

/** The schema of {@link FhirResource} (HL7 FHIR R4, 4.0.1); elements that an import does not read are dropped. */
export const fhirResource: z.ZodType<FhirResource> = z.discriminatedUnion("resourceType", [
  z.object({
    resourceType: z.literal("Patient"),
    id: text,
    gender: text,
    birthDate: text,
    deceasedBoolean: z.boolean().optional(),
    deceasedDateTime: text,
    name: z.unknown().optional(),
  }),
  z.object({
    resourceType: z.literal("Encounter"),
    id: text,
    status: text,
    class: coding.optional(),
    subject: reference.optional(),
    period: period.optional(),
    reasonCode: z.array(concept).optional(),
    hospitalization: z.object({ dischargeDisposition: concept.optional() }).optional(),
  }),
  z.object({
    resourceType: z.literal("Observation"),
    id: text,
    status: text,
    code: concept,
    subject: reference.optional(),
    encounter: reference.optional(),
    effectiveDateTime: text,
    effectiveInstant: text,
    effectivePeriod: period.optional(),
    valueQuantity: quantity.optional(),
    component: z.array(z.object({ code: concept, valueQuantity: quantity.optional() })).optional(),
  }),
  z.object({
    resourceType: z.literal("Condition"),
    id: text,
    code: concept.optional(),
    subject: reference.optional(),
    encounter: reference.optional(),
    verificationStatus: concept.optional(),
  }),
]);
