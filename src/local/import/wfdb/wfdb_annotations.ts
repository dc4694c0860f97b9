import { badFile } from "../source_errors.ts";

/** One annotation. */
export interface WfdbAnnotation {
  /** Sample it is at. */
  readonly sample: number;
  /** Its mnemonic, for example `N`, `V` or `+`. */
  readonly symbol: string;
  /** Its text, for example `(AFIB` at a change of rhythm. */
  readonly text: string;
}

/** Mnemonics by code (WFDB Applications Guide, annot(5), ecgcodes.h). */
// deno-fmt-ignore
const SYMBOLS: Readonly<Record<number, string>> = {
  1: "N", 2: "L", 3: "R", 4: "a", 5: "V", 6: "F", 7: "J", 8: "A", 9: "S", 10: "E", 11: "j", 12: "/", 13: "Q",
  14: "~", 16: "|", 18: "s", 19: "T", 20: "*", 21: "D", 22: '"', 23: "=", 24: "p", 25: "B", 26: "^", 27: "t",
  28: "+", 29: "u", 30: "?", 31: "!", 32: "[", 33: "]", 34: "e", 35: "n", 36: "@", 37: "x", 38: "f", 39: "(",
  40: ")", 41: "r",
};

/** Mnemonics that stand for a heart beat. */
export const BEAT_SYMBOLS: ReadonlySet<string> = new Set([..."NLRBAaJSVrFejnE/fQ?"]);

const SKIP = 59;
const NUM = 60;
const SUB = 61;
const CHANNEL = 62;
const AUX = 63;

/**
 * Parses an annotation file in the MIT format (WFDB Applications Guide, annot(5)).
 *
 * @param bytes the file
 * @param file its name, for messages
 * @throws FedKimError `FormatError` when it is cut short or an annotation lies before the record
 */
export function parseWfdbAnnotations(bytes: Uint8Array, file: string): WfdbAnnotation[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: { sample: number; symbol: string; text: string }[] = [];
  let sample = 0;
  let at = 0;
  const word = (): number => {
    if (at + 2 > bytes.length) throw badFile(file, "WFDB annotations", "a file cut short");
    at += 2;
    return view.getUint16(at - 2, true);
  };
  for (;;) {
    const value = word();
    if (value === 0) return found;
    const [code, step] = [value >> 10, value & 0x3ff];
    if (code === SKIP) {
      // PDP-11 order: the high half comes first.
      const high = word();
      sample += (high << 16) | word();
    } else if (code === AUX) {
      const end = at + step + step % 2;
      if (end > bytes.length) throw badFile(file, "WFDB annotations", "a text cut short");
      const last = found.at(-1);
      if (last !== undefined) {
        last.text = new TextDecoder("latin1").decode(bytes.subarray(at, at + step)).replace(/\0+$/, "");
      }
      at = end;
    } else if (code !== NUM && code !== SUB && code !== CHANNEL) {
      sample += step;
      if (sample < 0) throw badFile(file, "WFDB annotations", "an annotation before the record's start");
      found.push({ sample, symbol: SYMBOLS[code] ?? "", text: "" });
    }
  }
}
