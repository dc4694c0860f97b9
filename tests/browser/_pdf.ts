import { inflateSync } from "node:zlib";

/** What a PDF made by Chromium holds. */
export interface PdfContent {
  /** Number of pages. */
  readonly pages: number;
  /** The text that is drawn, all pages together; spaces are where the page draws them. */
  readonly text: string;
}

const latin1 = new TextDecoder("latin1");

/**
 * Reads pages and text of a PDF as Skia writes it: compressed streams, fonts with a `ToUnicode` map, glyphs in
 * hexadecimal strings. Enough to see that words were printed, not a general reader.
 */
export function readPdf(bytes: Uint8Array): PdfContent {
  const file = latin1.decode(bytes);
  const objects = new Map<string, { readonly head: string; readonly stream: string }>();
  for (const match of file.matchAll(/(\d+) 0 obj\n?([\s\S]*?)(?:endobj|stream\r?\n)/g)) {
    const start = match.index + match[0].length;
    const length = /\/Length (\d+)/.exec(match[2]);
    const has = match[0].endsWith("stream\n") || match[0].endsWith("stream\r\n");
    const raw = has && length !== null ? bytes.subarray(start, start + Number(length[1])) : new Uint8Array();
    const packed = match[2].includes("/FlateDecode") && !match[2].includes("/Subtype /Image");
    const stream = packed && raw.length > 0 ? latin1.decode(inflateSync(raw)) : "";
    objects.set(match[1], { head: match[2], stream });
  }
  const fonts = new Map<string, ReadonlyMap<string, string>>();
  for (const [number, { head }] of objects) {
    const map = /\/ToUnicode (\d+) 0 R/.exec(head);
    if (map !== null) fonts.set(number, unicodeMap(objects.get(map[1])!.stream));
  }
  const names = new Map<string, string>();
  for (const { head } of objects.values()) {
    for (const [, name, number] of head.matchAll(/\/(F\d+) (\d+) 0 R/g)) names.set(name, number);
  }
  let text = "";
  for (const { stream } of objects.values()) {
    if (!/\bTf\b/.test(stream)) continue;
    let font: ReadonlyMap<string, string> | undefined;
    for (const [, name, glyphs] of stream.matchAll(/\/(F\d+) [\d.]+ Tf|<([0-9A-Fa-f]+)>/g)) {
      if (name !== undefined) font = fonts.get(names.get(name) ?? "");
      else for (const glyph of glyphs.match(/.{4}/g) ?? []) text += font?.get(glyph.toUpperCase()) ?? "";
    }
    text += "\n";
  }
  return { pages: [...file.matchAll(/\/Type \/Page\b(?!s)/g)].length, text };
}

/** Glyphs and the characters that they stand for, of a character map's `bfchar` and `bfrange` sections. */
function unicodeMap(map: string): Map<string, string> {
  const found = new Map<string, string>();
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(4, "0");
  const character = (code: string) =>
    String.fromCharCode(...(code.match(/.{4}/g) ?? []).map((unit) => parseInt(unit, 16)));
  for (const [, body] of map.matchAll(/beginbfchar([\s\S]*?)endbfchar/g)) {
    for (const [, glyph, code] of body.matchAll(/<(\w+)>\s*<(\w+)>/g)) {
      found.set(glyph.toUpperCase(), character(code));
    }
  }
  for (const [, body] of map.matchAll(/beginbfrange([\s\S]*?)endbfrange/g)) {
    for (const [, from, to, code] of body.matchAll(/<(\w+)>\s*<(\w+)>\s*<(\w+)>/g)) {
      for (let glyph = parseInt(from, 16); glyph <= parseInt(to, 16); glyph++) {
        found.set(hex(glyph), character(hex(parseInt(code, 16) + glyph - parseInt(from, 16))));
      }
    }
  }
  return found;
}
