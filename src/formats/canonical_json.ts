import { createHash } from "node:crypto";
import { FedKimError } from "./errors.ts";

/** Any value that JSON can carry. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | {
  readonly [key: string]: JsonValue | undefined;
};

/**
 * One JSON text per value (after RFC 8785): keys sorted by code unit, no white space, shortest number form.
 * Fields that are `undefined` are left out. Signatures and hashes are taken over this text.
 * @param value a JSON value
 * @throws FedKimError `FormatError` on NaN, Infinity or a value that JSON cannot carry
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") {
    if (Number.isFinite(value)) return JSON.stringify(value);
  } else if (Array.isArray(value)) {
    return `[${value.map(canonicalJson).join(",")}]`;
  } else if (typeof value === "object") {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(",")}}`;
  }
  throw new FedKimError("FormatError", "A value has no JSON form.", {
    found: `${typeof value} ${String(value)}`,
    needed: "null, boolean, finite number, string, array or object",
  });
}

/** SHA-256 as 64 lower-case hexadecimal digits. @param data bytes, or text taken as UTF-8 */
export function sha256Hex(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}
