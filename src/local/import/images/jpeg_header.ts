import { badFile } from "../source_errors.ts";

/** What the frame header of a JPEG, JPEG lossless or JPEG-LS stream says. */
export interface JpegFrame {
  /** Low byte of the start-of-frame marker: 0xc0 baseline, 0xc1 extended, 0xc2 progressive, 0xc3 lossless, 0xf7 LS. */
  readonly process: number;
  /** Bits per sample. */
  readonly precision: number;
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
  /** Samples per pixel. */
  readonly components: number;
}

/**
 * Finds the frame header (ITU-T T.81 B.2.2, T.87 C.2.2) without decoding anything.
 *
 * @param bytes the stream
 * @param file its name, for messages
 * @throws FedKimError `FormatError` when there is none
 */
export function jpegFrame(bytes: Uint8Array, file: string): JpegFrame {
  const bad = (found: string): Error => badFile(file, "JPEG", found);
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) throw bad("no start of image");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) throw bad("data where a marker was expected");
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at++;
      continue;
    }
    const length = view.getUint16(at + 2);
    const frame = (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) ||
      marker === 0xf7;
    if (length < 2 || at + 2 + length > bytes.length) throw bad("a segment that goes on beyond the file");
    if (frame && length >= 8) {
      return {
        process: marker,
        precision: bytes[at + 4],
        height: view.getUint16(at + 5),
        width: view.getUint16(at + 7),
        components: bytes[at + 9],
      };
    }
    if (marker === 0xda) break;
    at += 2 + length;
  }
  throw bad("no frame header");
}
