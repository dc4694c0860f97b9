import { utf8, writeU16, writeU32 } from "./_bytes.ts";
import type { CryptoProvider } from "./crypto_provider.ts";

const SUITE = "FedKIM/SA1/";
/** Names of labels in bytes: a handful, asked for again and again. */
const names = new Map<string, Uint8Array>();

function nameOf(label: string): Uint8Array {
  let name = names.get(label);
  if (name === undefined) names.set(label, name = utf8(SUITE + label));
  return name;
}

/** An unambiguous byte form of a label and byte strings: every part carries its own length. */
export function framed(label: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const name = nameOf(label);
  let length = 2 + name.length;
  for (const part of parts) length += 4 + part.length;
  const out = new Uint8Array(length);
  writeU16(out, 0, name.length);
  out.set(name, 2);
  let offset = 2 + name.length;
  for (const part of parts) {
    writeU32(out, offset, part.length);
    out.set(part, offset + 4);
    offset += 4 + part.length;
  }
  return out;
}

/** SHA-256 of {@link framed}: hashes under different labels never collide by construction. */
export function taggedHash(
  provider: CryptoProvider,
  label: string,
  ...parts: readonly Uint8Array[]
): Uint8Array {
  return provider.sha256(framed(label, ...parts));
}
