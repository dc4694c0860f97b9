/** One element: a text, 16-bit numbers, raw bytes, items of a sequence, or fragments of compressed pixel data. */
export type Element = readonly [
  tag: string,
  representation: string,
  value: string | readonly number[] | Uint8Array | { readonly items: readonly (readonly Element[])[] } | {
    readonly fragments: readonly Uint8Array[];
  },
];

const LONG = new Set(["OB", "OW", "SQ", "UN", "UT"]);
const UNDEFINED_LENGTH = 0xffffffff;

function concat(parts: readonly (readonly number[] | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const u16 = (value: number): number[] => [value & 255, value >> 8 & 255];
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)];
const tagBytes = (tag: string): number[] => [
  ...u16(parseInt(tag.slice(0, 4), 16)),
  ...u16(parseInt(tag.slice(4), 16)),
];

function encode([tag, representation, value]: Element): Uint8Array {
  const head = [...tagBytes(tag), ...new TextEncoder().encode(representation)];
  if (typeof value === "object" && "fragments" in value) {
    const items = [new Uint8Array(0), ...value.fragments].flatMap((fragment) => {
      const even = fragment.length % 2 === 0 ? fragment : concat([fragment, [0]]);
      return [[...tagBytes("FFFEE000"), ...u32(even.length)], even];
    });
    return concat([head, [0, 0], u32(UNDEFINED_LENGTH), ...items, tagBytes("FFFEE0DD"), u32(0)]);
  }
  let body: Uint8Array;
  if (typeof value === "string") body = new TextEncoder().encode(value);
  else if (value instanceof Uint8Array) body = value;
  else if ("items" in value) {
    body = concat(value.items.flatMap((item) => {
      const content = concat(item.map(encode));
      return [tagBytes("FFFEE000"), u32(content.length), content];
    }));
  } else body = concat((value as readonly number[]).map(u16));
  if (body.length % 2 === 1) {
    body = concat([body, [representation === "UI" || representation === "OB" ? 0 : 32]]);
  }
  const length = LONG.has(representation) ? [0, 0, ...u32(body.length)] : u16(body.length);
  return concat([head, length, body]);
}

/** A DICOM file with the given elements, in explicit little endian unless another syntax is named. */
export function dicomFile(
  elements: readonly Element[],
  syntax = "1.2.840.10008.1.2.1",
): Uint8Array<ArrayBuffer> {
  const meta = encode(["00020010", "UI", syntax]);
  const sorted = [...elements].sort(([a], [b]) => (a < b ? -1 : 1));
  return concat([
    new Uint8Array(128),
    new TextEncoder().encode("DICM"),
    encode(["00020000", "UL", Uint8Array.from(u32(meta.length))]),
    meta,
    ...sorted.map(encode),
  ]);
}

/** Elements of a grey image whose stored values are given; further elements replace these. */
export function imageElements(
  rows: number,
  columns: number,
  pixels: Element[2],
  ...further: readonly Element[]
): Element[] {
  const own: Element[] = [
    ["00080018", "UI", "1.2.3.4"],
    ["00080060", "CS", "DX"],
    ["00100020", "LO", "P1"],
    ["00280002", "US", [1]],
    ["00280004", "CS", "MONOCHROME2"],
    ["00280010", "US", [rows]],
    ["00280011", "US", [columns]],
    ["00280100", "US", [16]],
    ["00280101", "US", [12]],
    ["00280102", "US", [11]],
    ["00280103", "US", [0]],
    ["7FE00010", "OW", pixels],
  ];
  return [...new Map([...own, ...further].map((element) => [element[0], element])).values()];
}
