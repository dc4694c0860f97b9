import { badFile } from "../source_errors.ts";

const HEADER_BYTES = 64;

/**
 * Decodes one RLE frame (PS3.5 annex G) to samples in little-endian order, plane after plane.
 *
 * @param frame the compressed frame
 * @param pixels pixels of the frame
 * @param samples samples per pixel
 * @param bytesPerSample 1, 2 or 4
 * @param file its name, for messages
 */
export function decodeRle(
  frame: Uint8Array,
  pixels: number,
  samples: number,
  bytesPerSample: number,
  file: string,
): Uint8Array {
  const segments = samples * bytesPerSample;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < HEADER_BYTES || view.getUint32(0, true) !== segments) {
    throw badFile(file, "DICOM RLE", `another number of segments than ${segments}`);
  }
  const out = new Uint8Array(pixels * segments);
  for (let segment = 0; segment < segments; segment++) {
    const start = view.getUint32(4 + 4 * segment, true);
    const next = segment + 1 < segments ? view.getUint32(8 + 4 * segment, true) : frame.length;
    if (start < HEADER_BYTES || next > frame.length || start > next) {
      throw badFile(file, "DICOM RLE", "a segment outside its frame");
    }
    // Segments hold one byte of each sample, the most significant first.
    const plane = Math.floor(segment / bytesPerSample);
    const byte = bytesPerSample - 1 - segment % bytesPerSample;
    unpack(
      frame.subarray(start, next),
      out,
      plane * pixels * bytesPerSample + byte,
      bytesPerSample,
      pixels,
      file,
    );
  }
  return out;
}

function unpack(
  packed: Uint8Array,
  out: Uint8Array,
  offset: number,
  stride: number,
  count: number,
  file: string,
): void {
  let at = 0;
  let done = 0;
  while (done < count) {
    if (at + 1 >= packed.length) throw badFile(file, "DICOM RLE", `${done} bytes of ${count} in a segment`);
    const control = packed[at++];
    if (control === 128) continue;
    const literal = control < 128;
    const run = Math.min(literal ? control + 1 : 257 - control, count - done);
    if (literal && at + run > packed.length) {
      throw badFile(file, "DICOM RLE", "a run that goes on beyond its segment");
    }
    for (let i = 0; i < run; i++) out[offset + stride * done++] = packed[literal ? at + i : at];
    at += literal ? control + 1 : 1;
  }
}
