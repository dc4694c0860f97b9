/**
 * Reads an ISO 8601 date, or date and time; UTC where no zone is stated.
 *
 * @param text for example 2024-05-31T08:15:00+02:00
 * @returns milliseconds since 1970; NaN for anything else
 */
export function timestamp(text: string): number {
  const parts = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:?\d{2})?)?$/
    .exec(text);
  if (parts === null) return NaN;
  const zone = (parts[3] ?? "Z").replace(/^([+-]\d{2})(\d{2})$/, "$1:$2");
  return Date.parse(`${parts[1]}T${parts[2] ?? "00:00"}${zone}`);
}
