import { utf8 } from "./_bytes.ts";
import type { CryptoProvider } from "./crypto_provider.ts";

const SUITE = "FedKIM/SA1/";

/** An unambiguous byte form of a label and byte strings: every part carries its own length. */
export function framed(label: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const name = utf8(SUITE + label);
  let length = 2 + name.length;
  for (const part of parts) length += 4 + part.length;
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  view.setUint16(0, name.length, true);
  out.set(name, 2);
  let offset = 2 + name.length;
  for (const part of parts) {
    view.setUint32(offset, part.length, true);
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
