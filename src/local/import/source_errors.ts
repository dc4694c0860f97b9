import { FedKimError } from "../../formats/errors.ts";

/** Where a wrong value stands in a source file. */
export interface SourcePlace {
  /** The file. */
  readonly file: string;
  /** The record: a row number, a record's or a resource's identifier. */
  readonly record?: string | undefined;
  /** The field: a column, a tag, an element. */
  readonly field?: string | undefined;
}

/**
 * A value or a reference in a readable source that cannot become part of a dataset.
 *
 * @param place file, record and field
 * @param found what was found, never the value itself
 * @param needed what is needed instead
 * @param remedy what to do, if not obvious
 */
export function badValue(place: SourcePlace, found: string, needed: string, remedy?: string): FedKimError {
  const parts = [
    place.file,
    ...(place.record === undefined ? [] : [`record ${place.record}`]),
    ...(place.field === undefined ? [] : [`field ${place.field}`]),
  ];
  return new FedKimError("DatasetError", `${parts.join(", ")} cannot be imported.`, {
    found,
    needed,
    remedy: remedy ?? "correct the source or the mapping, then import again",
  });
}

/**
 * A file that is damaged, of another format or larger than the limits.
 *
 * @param file the file
 * @param format what it was read as
 * @param found what was found
 * @param needed what is needed instead
 * @param cause the error below, if any
 */
export function badFile(
  file: string,
  format: string,
  found: string,
  needed?: string,
  cause?: unknown,
): FedKimError {
  return new FedKimError("FormatError", `${file} cannot be read as ${format}.`, {
    found,
    needed: needed ?? `an intact ${format} file`,
    remedy: "export the file again, or leave it out of the import",
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * The text of an unknown failure, for `found`.
 *
 * @param cause whatever was thrown
 */
export function causeText(cause: unknown): string {
  // Codecs compiled from C++ throw the address of an exception.
  if (typeof cause === "number") return "a failure inside the codec";
  const text = cause instanceof Error ? cause.message : typeof cause === "string" ? cause : "unknown failure";
  return text.slice(0, 200);
}
