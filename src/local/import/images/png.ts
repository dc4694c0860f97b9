import { convertIndexedToRgb, decode } from "fast-png";
import { type ImportLimits, importLimits } from "../limits.ts";
import { badFile, causeText } from "../source_errors.ts";
import { inflate } from "../source_files.ts";
import { type GreyImage, luma } from "./grey_image.ts";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Chunks that the pixels need; everything else (texts, profiles) is never inflated. */
const NEEDED = new Set(["IHDR", "PLTE", "tRNS", "IDAT", "IEND"]);
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** One chunk with its length, type and checksum. */
interface Chunk {
  readonly type: string;
  readonly all: Uint8Array<ArrayBuffer>;
  readonly data: Uint8Array<ArrayBuffer>;
}

/**
 * Decodes a PNG image to grey. Before any pixel is allocated its size is checked and its data are inflated once under
 * the bound that the header implies, so a PNG bomb costs nothing.
 *
 * @param bytes the file
 * @param file its name, for messages
 * @param limits bounds
 * @throws FedKimError `FormatError` when it is damaged or too large
 */
export async function decodePng(
  bytes: Uint8Array<ArrayBuffer>,
  file: string,
  limits: Partial<ImportLimits> = {},
): Promise<GreyImage> {
  const { pixels } = importLimits(limits);
  const chunks = [...chunksOf(bytes, file)].filter(({ type }) => NEEDED.has(type));
  const header = chunks[0];
  if (header?.type !== "IHDR" || header.data.length !== 13) throw badFile(file, "PNG", "no image header");
  const view = new DataView(header.data.buffer, header.data.byteOffset, 13);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colour] = [header.data[8], header.data[9]];
  const channels = CHANNELS[colour];
  if (channels === undefined || ![1, 2, 4, 8, 16].includes(depth)) {
    throw badFile(file, "PNG", "an unknown pixel type");
  }
  if (width < 1 || height < 1 || width * height * channels > pixels) {
    throw badFile(
      file,
      "PNG",
      `${width} x ${height} pixels of ${channels} channels`,
      `1 to ${pixels} values`,
    );
  }
  // Interlaced images have up to seven passes, each with a filter byte per row and rows rounded up to bytes.
  const most = height * (Math.ceil(width * channels * depth / 8) + 1) + 14 * (height + 8);
  const data = new Blob(chunks.filter(({ type }) => type === "IDAT").map((chunk) => chunk.data));
  let total = 0;
  for await (const part of inflate(data.stream(), "deflate", file, most)) total += part.length;
  if (total < Math.floor(width * height * channels * depth / 8)) {
    throw badFile(file, "PNG", `${total} bytes of pixels`, "all rows of the image");
  }
  const needed = new Uint8Array(
    await new Blob([new Uint8Array(SIGNATURE), ...chunks.map((chunk) => chunk.all)]).arrayBuffer(),
  );
  try {
    const image = decode(needed, { checkCrc: true });
    if (image.palette !== undefined) {
      const rgb = convertIndexedToRgb(image);
      return { height, width, data: luma(rgb, rgb.length / (width * height), 255) };
    }
    // Samples of 1, 2 and 4 bits come packed, several to a byte.
    const samples = depth < 8 ? unpack(image.data, width, height, depth) : image.data;
    return { height, width, data: luma(samples, channels, 2 ** depth - 1) };
  } catch (cause) {
    throw badFile(file, "PNG", causeText(cause), undefined, cause);
  }
}

function* chunksOf(bytes: Uint8Array<ArrayBuffer>, file: string): Generator<Chunk> {
  if (SIGNATURE.some((byte, index) => bytes[index] !== byte)) throw badFile(file, "PNG", "another signature");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 8;
  for (;;) {
    if (at + 12 > bytes.length) throw badFile(file, "PNG", "a file cut short");
    const length = view.getUint32(at);
    if (at + 12 + length > bytes.length) throw badFile(file, "PNG", "a chunk that goes on beyond the file");
    const type = new TextDecoder("latin1").decode(bytes.subarray(at + 4, at + 8));
    yield { type, all: bytes.subarray(at, at + 12 + length), data: bytes.subarray(at + 8, at + 8 + length) };
    if (type === "IEND") return;
    at += 12 + length;
  }
}

function unpack(data: ArrayLike<number>, width: number, height: number, depth: number): Uint8Array {
  const rowBytes = Math.ceil(width * depth / 8);
  const perByte = 8 / depth;
  const out = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const byte = data[y * rowBytes + Math.floor(x / perByte)];
      out[y * width + x] = byte >> (8 - depth * (x % perByte + 1)) & ((1 << depth) - 1);
    }
  }
  return out;
}
