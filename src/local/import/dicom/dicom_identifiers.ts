import type { WarningList } from "../import_report.ts";
import type { DicomObject } from "./dicom_object.ts";

/** Tags that identify a person or a place (PS3.15 table E.1-1, basic profile; the most frequent ones). */
export const IDENTIFYING_TAGS: Readonly<Record<string, string>> = {
  x00100010: "PatientName",
  x00100030: "PatientBirthDate",
  x00101000: "OtherPatientIDs",
  x00101001: "OtherPatientNames",
  x00101005: "PatientBirthName",
  x00101040: "PatientAddress",
  x00101060: "PatientMotherBirthName",
  x00102154: "PatientTelephoneNumbers",
  x00104000: "PatientComments",
  x00102160: "EthnicGroup",
  x00102180: "Occupation",
  x00080050: "AccessionNumber",
  x00080080: "InstitutionName",
  x00080081: "InstitutionAddress",
  x00080090: "ReferringPhysicianName",
  x00081050: "PerformingPhysicianName",
  x00081070: "OperatorsName",
  x00080020: "StudyDate",
};

/** Kinds of images on which text is usually part of the pixels. */
const OFTEN_BURNED_IN = new Set(["US", "SC", "OT", "XC", "ES", "GM", "XA", "RF"]);

/**
 * Warns of what identifies a person in an object. Tags are never copied into a dataset, pixels are.
 *
 * @param object a parsed object
 * @param warnings receives the findings, by name of the tag
 */
export function warnOfIdentifiers(object: DicomObject, warnings: WarningList): void {
  for (const [tag, name] of Object.entries(IDENTIFYING_TAGS)) {
    if (object.has(tag) && object.text(tag) !== undefined) {
      warnings.add("identifying_tag", name, "the source holds this tag; it is not copied into the dataset");
    }
  }
  const burnedIn = object.text("x00280301")?.toUpperCase();
  if (burnedIn === "YES") {
    const message =
      "pixels hold a burned-in annotation, which may name the patient: look before you use them";
    warnings.add("burned_in_annotation", "BurnedInAnnotation", message);
  } else if (burnedIn === undefined && OFTEN_BURNED_IN.has(object.text("x00080060") ?? "")) {
    const message = "the source does not say whether pixels hold text; images of this kind often do";
    warnings.add("burned_in_annotation_unknown", "BurnedInAnnotation", message);
  }
}
