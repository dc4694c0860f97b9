import dicomParser from "dicom-parser";
import { badFile, badValue, causeText } from "../source_errors.ts";

/** A sequence item, or the object itself: typed access to its elements. Tags are written `xGGGGEEEE`. */
export class DicomItem {
  readonly #data: dicomParser.DataSet;
  /** The file, for messages. */
  readonly file: string;

  /**
   * Wraps parsed elements.
   *
   * @param data the parsed elements
   * @param file name of the file
   */
  constructor(data: dicomParser.DataSet, file: string) {
    this.#data = data;
    this.file = file;
  }

  /** Whether the element is there with a value. */
  has(tag: string): boolean {
    const element = this.#data.elements[tag];
    return element !== undefined &&
      (element.length > 0 || (element.items?.length ?? 0) > 0 || (element.fragments?.length ?? 0) > 0);
  }

  /** A text without padding; undefined where there is none. */
  text(tag: string, index = 0): string | undefined {
    const text = this.has(tag) ? this.#data.string(tag, index)?.trim() : undefined;
    return text === "" ? undefined : text;
  }

  /**
   * A number of VR US, SS, UL or SL; undefined where there is none.
   *
   * @throws FedKimError `FormatError` when the element is too short for it
   */
  integer(tag: string, index = 0): number | undefined {
    const element = this.#data.elements[tag];
    if (element === undefined || element.length === 0) return undefined;
    const size = element.vr === "UL" || element.vr === "SL" ? 4 : 2;
    // The library reads on into the next element, or beyond the file.
    if (element.length < (index + 1) * size) {
      throw badFile(this.file, "DICOM", `${element.length} bytes in element ${tagName(tag)}`);
    }
    switch (element.vr) {
      case "SS":
        return this.#data.int16(tag, index);
      case "UL":
        return this.#data.uint32(tag, index);
      case "SL":
        return this.#data.int32(tag, index);
      default:
        return this.#data.uint16(tag, index);
    }
  }

  /**
   * A number of VR DS or IS.
   *
   * @throws FedKimError `DatasetError` when the text is no number
   */
  decimal(tag: string, index = 0): number | undefined {
    const text = this.text(tag, index);
    if (text === undefined) return undefined;
    const value = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : NaN;
    if (Number.isFinite(value)) return value;
    throw badValue({ file: this.file, field: tagName(tag) }, "a text that is no number", "a decimal number");
  }

  /** Items of a sequence; empty where there is none. */
  items(tag: string): DicomItem[] {
    return (this.#data.elements[tag]?.items ?? []).flatMap(({ dataSet }) =>
      dataSet === undefined ? [] : [new DicomItem(dataSet, this.file)]
    );
  }

  /** The bytes of an element; undefined where there is none. */
  bytes(tag: string): Uint8Array | undefined {
    const element = this.#data.elements[tag];
    if (element === undefined || element.length === 0) return undefined;
    return this.#data.byteArray.subarray(element.dataOffset, element.dataOffset + element.length);
  }

  /** The value representation that the file states. */
  representation(tag: string): string | undefined {
    return this.#data.elements[tag]?.vr;
  }

  /**
   * The compressed frames of encapsulated pixel data (PS3.5 A.4).
   *
   * @param tag the element
   * @param frames how many there must be
   * @throws FedKimError `FormatError` when the fragments cannot be told apart
   */
  compressedFrames(tag: string, frames: number): Uint8Array[] {
    const element = this.#data.elements[tag];
    const fragments = element?.fragments ?? [];
    if (element === undefined || fragments.length === 0) {
      throw badFile(this.file, "DICOM", "compressed pixel data without fragments");
    }
    const join = (from: number, to: number): Uint8Array => {
      const parts = fragments.slice(from, to).map(({ position, length }) => {
        return this.#data.byteArray.subarray(position, position + length);
      });
      return parts.length === 1 ? parts[0] : Uint8Array.from(parts.flatMap((part) => [...part]));
    };
    if (frames === 1) return [join(0, fragments.length)];
    if (fragments.length === frames) return fragments.map((_, index) => join(index, index + 1));
    const starts = (element.basicOffsetTable ?? []).map((offset) =>
      fragments.findIndex((fragment) => fragment.offset === offset)
    );
    if (starts.length !== frames || starts.includes(-1)) {
      throw badFile(
        this.file,
        "DICOM",
        `${fragments.length} fragments for ${frames} frames and no offset table`,
      );
    }
    return starts.map((from, index) => join(from, starts[index + 1] ?? fragments.length));
  }
}

/** A DICOM object with what its meta information says. */
export class DicomObject extends DicomItem {
  /** UID of the transfer syntax. */
  readonly transferSyntax: string;

  /**
   * Wraps a parsed object.
   *
   * @param data the parsed elements
   * @param file name of the file
   * @param transferSyntax UID of the transfer syntax
   */
  constructor(data: dicomParser.DataSet, file: string, transferSyntax: string) {
    super(data, file);
    this.transferSyntax = transferSyntax;
  }

  /** Whether values of more than one byte have the most significant byte first. */
  get bigEndian(): boolean {
    return this.transferSyntax === EXPLICIT_BIG_ENDIAN;
  }
}

/** Explicit VR Big Endian, retired but still found in archives. */
export const EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2";
/** Its elements are deflated as a whole, without any bound on their size. */
const DEFLATED = "1.2.840.10008.1.2.1.99";

/**
 * Whether the bytes begin as a DICOM file (PS3.10): 128 bytes of preamble, then `DICM`.
 *
 * @param start the first 132 bytes or more
 */
export function looksLikeDicom(start: Uint8Array): boolean {
  return new TextDecoder("latin1").decode(start.subarray(128, 132)) === "DICM";
}

/**
 * Parses a DICOM file in any transfer syntax but the deflated one. Nothing is repaired: a file whose elements do not
 * fit together is refused.
 *
 * @param bytes the file; elements refer to it, so it must stay unchanged
 * @param file its name, for messages
 * @throws FedKimError `FormatError` when it is damaged or no DICOM file
 */
export function parseDicom(bytes: Uint8Array, file: string): DicomObject {
  if (!looksLikeDicom(bytes)) {
    throw badFile(file, "DICOM", "no DICM after 128 bytes", "a file with meta information (PS3.10)");
  }
  let data: dicomParser.DataSet;
  let syntax: string | undefined;
  try {
    syntax = dicomParser.readPart10Header(bytes).string("x00020010");
    if (syntax === undefined || syntax === DEFLATED) {
      throw badFile(
        file,
        "DICOM",
        syntax === undefined ? "no transfer syntax" : "deflated elements",
        "another syntax",
      );
    }
    data = dicomParser.parseDicom(bytes);
  } catch (cause) {
    if (cause instanceof Error && cause.name === "FedKimError") throw cause;
    const inner = typeof cause === "object" && cause !== null && "exception" in cause
      ? cause.exception
      : cause;
    throw badFile(file, "DICOM", causeText(inner), undefined, cause);
  }
  const warning = data.warnings[0];
  if (warning !== undefined) throw badFile(file, "DICOM", warning.slice(0, 160));
  for (const [tag, element] of Object.entries(data.elements)) {
    if (element.dataOffset + element.length > bytes.length) {
      throw badFile(file, "DICOM", `element ${tagName(tag)} goes on beyond the file`);
    }
  }
  return new DicomObject(data, file, syntax);
}

/**
 * A tag as people write it.
 *
 * @param tag `xGGGGEEEE`
 */
export function tagName(tag: string): string {
  return `(${tag.slice(1, 5)},${tag.slice(5, 9)})`;
}
