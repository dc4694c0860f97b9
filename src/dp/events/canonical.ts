import { FedKimError } from "../../formats/errors.ts";

/**
 * JSON with sorted keys and no spaces: equal values have equal text, so it can be hashed and signed.
 * @throws FedKimError InternalError for a number that JSON cannot hold
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new FedKimError(
      "InternalError",
      "A number that is not finite cannot be written as canonical JSON.",
    );
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}
