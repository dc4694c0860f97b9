import { out } from "./terminal.ts";

/** One structured log line on stderr. Never a record, a label, a gradient or one site's metric. */
export function logEvent(event: Readonly<Record<string, unknown>> & { readonly event: string }): void {
  out.note(JSON.stringify({ time: new Date().toISOString(), ...event }));
}
