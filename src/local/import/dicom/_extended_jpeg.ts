import { badFile } from "../source_errors.ts";

/** Positions of the coefficients in the order of the stream (ITU-T T.81 figure A.6). */
// deno-fmt-ignore
const ZIGZAG = [
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/** cos((2x + 1) u pi / 16) * c(u) / 2 at [x][u], the one-dimensional inverse DCT (T.81 A.3.3). */
const COSINES = Array.from({ length: 8 }, (_, x) =>
  Float64Array.from(
    { length: 8 },
    (_, u) => Math.cos((2 * x + 1) * u * Math.PI / 16) * (u === 0 ? Math.SQRT1_2 : 1) / 2,
  ));

/** Symbols by code length and code, as `length << 16 | code`. */
type HuffmanTable = ReadonlyMap<number, number>;

interface Tables {
  readonly quantisation: Map<number, Uint16Array>;
  readonly dc: Map<number, HuffmanTable>;
  readonly ac: Map<number, HuffmanTable>;
  restart: number;
}

/** A decoded grey image of up to 12 bits. */
export interface ExtendedImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint16Array;
}

/**
 * Decodes an extended sequential JPEG stream (process 2 and 4 of ITU-T T.81) with one component of 8 or 12 bits.
 * The common codecs stop at 8 bits, and old archives hold 12.
 *
 * @param bytes the stream, whose frame header was checked against the limits
 * @param file its name, for messages
 */
export function decodeExtendedJpeg(bytes: Uint8Array, file: string): ExtendedImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tables: Tables = { quantisation: new Map(), dc: new Map(), ac: new Map(), restart: 0 };
  let frame: { precision: number; width: number; height: number; quantisation: number } | undefined;
  let at = 2;
  for (;;) {
    if (at + 4 > bytes.length) throw bad(file, "a stream cut short");
    const marker = bytes[at + 1];
    const end = at + 2 + view.getUint16(at + 2);
    if (bytes[at] !== 0xff || end > bytes.length) throw bad(file, "a damaged segment");
    const body = bytes.subarray(at + 4, end);
    at = end;
    if (marker === 0xdb) readQuantisation(body, tables, file);
    else if (marker === 0xc4) readHuffman(body, tables, file);
    else if (marker === 0xdd) tables.restart = body[0] << 8 | body[1];
    else if (marker === 0xc0 || marker === 0xc1) {
      if (body[5] !== 1) throw bad(file, `${body[5]} components`);
      frame = {
        precision: body[0],
        height: body[1] << 8 | body[2],
        width: body[3] << 8 | body[4],
        quantisation: body[8],
      };
    } else if (marker === 0xda) {
      const [dc, ac] = [tables.dc.get(body[2] >> 4), tables.ac.get(body[2] & 15)];
      const quantisation = tables.quantisation.get(frame?.quantisation ?? -1);
      if (frame === undefined || dc === undefined || ac === undefined || quantisation === undefined) {
        throw bad(file, "a scan whose tables are missing");
      }
      const { width, height, precision } = frame;
      const data = decodeScan(new BitReader(bytes, at, file), {
        width,
        height,
        precision,
        quantisation,
        dc,
        ac,
        restart: tables.restart,
      });
      return { width, height, data };
    }
  }
}

function readQuantisation(body: Uint8Array, tables: Tables, file: string): void {
  let at = 0;
  while (at < body.length) {
    const wide = body[at] >> 4;
    const id = body[at] & 15;
    at++;
    if (at + 64 * (wide + 1) > body.length || wide > 1) throw bad(file, "a damaged quantisation table");
    tables.quantisation.set(
      id,
      Uint16Array.from(
        { length: 64 },
        (_, i) => wide === 1 ? body[at + 2 * i] << 8 | body[at + 2 * i + 1] : body[at + i],
      ),
    );
    at += 64 * (wide + 1);
  }
}

function readHuffman(body: Uint8Array, tables: Tables, file: string): void {
  let at = 0;
  while (at + 17 <= body.length) {
    const [kind, id] = [body[at] >> 4, body[at] & 15];
    const counts = body.subarray(at + 1, at + 17);
    at += 17;
    const table = new Map<number, number>();
    let code = 0;
    counts.forEach((count, index) => {
      for (let i = 0; i < count; i++) table.set((index + 1) << 16 | code++, body[at++]);
      code <<= 1;
    });
    if (at > body.length) throw bad(file, "a damaged Huffman table");
    (kind === 0 ? tables.dc : tables.ac).set(id, table);
  }
}

interface Scan {
  readonly width: number;
  readonly height: number;
  readonly precision: number;
  readonly quantisation: Uint16Array;
  readonly dc: HuffmanTable;
  readonly ac: HuffmanTable;
  readonly restart: number;
}

function decodeScan(bits: BitReader, scan: Scan): Uint16Array {
  const { width, height, precision, quantisation, restart } = scan;
  const out = new Uint16Array(width * height);
  const [level, most] = [2 ** (precision - 1), 2 ** precision - 1];
  const columns = Math.ceil(width / 8);
  const blocks = columns * Math.ceil(height / 8);
  const block = new Float64Array(64);
  let predictor = 0;
  for (let index = 0; index < blocks; index++) {
    if (restart > 0 && index > 0 && index % restart === 0) {
      bits.restart();
      predictor = 0;
    }
    block.fill(0);
    predictor += bits.signed(bits.symbol(scan.dc));
    block[0] = predictor * quantisation[0];
    for (let k = 1; k < 64; k++) {
      const symbol = bits.symbol(scan.ac);
      const [run, size] = [symbol >> 4, symbol & 15];
      if (size === 0 && run < 15) break;
      k += run;
      if (size > 0 && k < 64) block[ZIGZAG[k]] = bits.signed(size) * quantisation[k];
    }
    inverseDct(block);
    const [left, top] = [index % columns * 8, Math.floor(index / columns) * 8];
    for (let y = 0; y < 8 && top + y < height; y++) {
      for (let x = 0; x < 8 && left + x < width; x++) {
        const value = Math.round(block[y * 8 + x] + level);
        out[(top + y) * width + left + x] = Math.min(most, Math.max(0, value));
      }
    }
  }
  return out;
}

const half = new Float64Array(64);

/** In place: coefficients [v][u] become samples [y][x]. */
function inverseDct(block: Float64Array): void {
  for (let v = 0; v < 8; v++) {
    for (let x = 0; x < 8; x++) {
      let sum = 0;
      for (let u = 0; u < 8; u++) sum += COSINES[x][u] * block[v * 8 + u];
      half[v * 8 + x] = sum;
    }
  }
  for (let y = 0; y < 8; y++) {
    for (let x = 0; x < 8; x++) {
      let sum = 0;
      for (let v = 0; v < 8; v++) sum += COSINES[y][v] * half[v * 8 + x];
      block[y * 8 + x] = sum;
    }
  }
}

/** Bits of the entropy-coded segment, with stuffed zero bytes removed (T.81 F.2.2.5). */
class BitReader {
  readonly #bytes: Uint8Array;
  readonly #file: string;
  #at: number;
  #buffer = 0;
  #left = 0;

  constructor(bytes: Uint8Array, at: number, file: string) {
    this.#bytes = bytes;
    this.#at = at;
    this.#file = file;
  }

  #bit(): number {
    if (this.#left === 0) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined || (byte === 0xff && this.#bytes[this.#at] !== 0)) {
        throw bad(this.#file, "a scan cut short");
      }
      if (byte === 0xff) this.#at++;
      this.#buffer = byte;
      this.#left = 8;
    }
    this.#left--;
    return this.#buffer >> this.#left & 1;
  }

  /** The next Huffman symbol. */
  symbol(table: HuffmanTable): number {
    let code = 0;
    for (let length = 1; length <= 16; length++) {
      code = code << 1 | this.#bit();
      const symbol = table.get(length << 16 | code);
      if (symbol !== undefined) return symbol;
    }
    throw bad(this.#file, "a code that no table has");
  }

  /** A difference or coefficient of `size` bits (T.81 F.2.2.1, EXTEND). */
  signed(size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value = value << 1 | this.#bit();
    return size > 0 && value < 1 << (size - 1) ? value - (1 << size) + 1 : value;
  }

  /** Steps over a restart marker. */
  restart(): void {
    this.#left = 0;
    if (this.#bytes[this.#at] !== 0xff || (this.#bytes[this.#at + 1] & 0xf8) !== 0xd0) {
      throw bad(this.#file, "no restart marker where one is due");
    }
    this.#at += 2;
  }
}

function bad(file: string, found: string): Error {
  return badFile(file, "JPEG", found);
}
