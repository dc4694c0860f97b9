import type { ColumnChunk } from "hyparquet";

/** A struct of Thrift's compact protocol: numbers and structs by field id, everything else skipped. */
type Fields = ReadonlyMap<number, number | Fields>;

/** Longest page header that is read, bytes: statistics of texts may stand in it. */
const LONGEST_HEADER = 65536;
/** Field of a dictionary's own header in a page header. */
const DICTIONARY = 7;
/** Field of the header of a page's kind: data, dictionary, data of version 2. */
const BODIES: ReadonlyMap<number, number> = new Map([[0, 5], [2, DICTIONARY], [3, 8]]);
/** Structs inside structs. */
const DEEPEST = 8;

/**
 * Checks the page headers of a flat column before anything is decoded: a run-length page of a few bytes may claim two
 * thousand million values, which the decoder would make room for.
 *
 * @param read gives the bytes of the file from one offset to another
 * @param chunk the column in its row group
 * @param rows rows of the row group: no page of a flat column has more values
 * @throws RangeError for a page that claims more
 */
export async function checkPages(
  read: (from: number, to: number) => Promise<ArrayBuffer>,
  { meta_data: meta }: ColumnChunk,
  rows: number,
): Promise<void> {
  if (meta === undefined) return;
  let at = Number(meta.dictionary_page_offset || meta.data_page_offset);
  const end = at + Number(meta.total_compressed_size);
  for (let values = 0; at < end && values < rows;) {
    const reader = new CompactReader(new Uint8Array(await read(at, Math.min(end, at + LONGEST_HEADER))));
    const header = reader.struct(DEEPEST);
    const [kind, inflated, compressed] = [1, 2, 3].map((id) => numberOf(header, id));
    const own = BODIES.get(kind);
    if (own === undefined || !header.has(own) || !(inflated >= 0 && compressed >= 0)) {
      throw new RangeError("a page without a header of its kind");
    }
    const count = numberOf(header.get(own), 1);
    if (!(count >= 0) || count > (own === DICTIONARY ? Math.max(rows, 8 * inflated) : rows)) {
      throw new RangeError(`a page of ${count} values in a row group of ${rows} rows`);
    }
    if (own !== DICTIONARY) values += count;
    at += reader.at + compressed;
  }
}

function numberOf(fields: number | Fields | undefined, id: number): number {
  const value = typeof fields === "object" ? fields.get(id) : undefined;
  return typeof value === "number" ? value : NaN;
}

/** Reads Thrift's compact protocol. Every read beyond the bytes is a RangeError. */
class CompactReader {
  /** Next byte. */
  at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  struct(depth: number): Fields {
    if (depth === 0) throw new RangeError("a page header that is nested too deeply");
    const fields = new Map<number, number | Fields>();
    for (let id = 0;;) {
      const head = this.#byte();
      const type = head & 15;
      if (type === 0) return fields;
      id = head >> 4 === 0 ? this.#zigzag() : id + (head >> 4);
      // A truth value is its own type and has no bytes.
      const value = type <= 2 ? 0 : this.#value(type, depth);
      if (value !== undefined) fields.set(id, value);
    }
  }

  #value(type: number, depth: number): number | Fields | undefined {
    switch (type) {
      case 1:
      case 2:
      case 3:
        return this.#byte();
      case 4:
      case 5:
      case 6:
        return this.#zigzag();
      case 7:
        return this.#skip(8);
      case 8:
        return this.#skip(this.#varint());
      case 9:
      case 10: {
        const head = this.#byte();
        const size = head >> 4 === 15 ? this.#varint() : head >> 4;
        for (let i = 0; i < size; i++) this.#value(head & 15, depth - 1);
        return undefined;
      }
      case 12:
        return this.struct(depth - 1);
      default:
        throw new RangeError(`a page header with a field of type ${type}`);
    }
  }

  #byte(): number {
    if (this.at >= this.bytes.length) throw new RangeError("a page header that is cut short");
    return this.bytes[this.at++];
  }

  #skip(length: number): undefined {
    if (length > this.bytes.length - this.at) throw new RangeError("a page header that is cut short");
    this.at += length;
  }

  #varint(): number {
    let value = 0;
    for (let factor = 1;; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      if (factor > 2 ** 49) throw new RangeError("a number that is too long");
    }
  }

  #zigzag(): number {
    const value = this.#varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}
