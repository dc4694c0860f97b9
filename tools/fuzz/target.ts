/** How inputs of a target are changed: as bytes only, as text, or also as a JSON tree. */
export type InputKind = "bytes" | "text" | "json";

/** One parser under test. */
export interface FuzzTarget {
  /** Name, also of the file of kept inputs. */
  readonly name: string;
  /** How inputs are changed. */
  readonly kind: InputKind;
  /** Valid inputs to begin with, made by the product's own writers where there are any. */
  seeds(): Promise<readonly Uint8Array[]>;
  /** The seeds are other people's data: nothing that was made of them is kept in the repository. */
  readonly foreign?: true;
  /** Words of the grammar that a change may put in. */
  readonly words?: readonly string[];
  /**
   * Reads an input. A `FedKimError` is a proper refusal; any other error, {@link LawBroken} among them, is a finding.
   */
  parse(input: Uint8Array): unknown;
  /** Ends what the target has started for all its inputs. */
  end?(): unknown;
}

/** An accepted input breaks a law, such as "no trailing bytes". */
export class LawBroken extends Error {
  override readonly name = "LawBroken";
}

/** Text as bytes. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** A JSON value as bytes. */
export function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return utf8(JSON.stringify(value));
}

/** What JSON says, or undefined where it is none: parsers that take values see only JSON. */
export function jsonValueOf(bytes: Uint8Array): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(textOf(bytes)) };
  } catch {
    return undefined;
  }
}

/** Bytes as text. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/**
 * The canonical-form law: what was read must be written as the same bytes, which also rules out ignored bytes.
 * @throws LawBroken
 */
export function sameBytes(found: Uint8Array, input: Uint8Array): void {
  if (found.length === input.length && found.every((byte, i) => byte === input[i])) return;
  throw new LawBroken(`${input.length} bytes are accepted and written as ${found.length} others`);
}

/** Throws {@link LawBroken} unless the condition holds. */
export function law(holds: boolean, text: string): void {
  if (!holds) throw new LawBroken(text);
}
