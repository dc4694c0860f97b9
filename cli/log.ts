import { out } from "./terminal.ts";

/** How much a line matters to whoever runs the service. */
export type LogLevel = "info" | "warn" | "error";

/** A log line before it is written: what happened, and its particulars. */
export type LogEvent = Readonly<Record<string, unknown>> & {
  readonly event: string;
  readonly level?: LogLevel;
};

/** Events that need no action, but a look. */
const WARNINGS = new Set(["aborted", "paused", "retry"]);
/** Names of fields that could only hold what must not be logged. */
const SECRET =
  /secret|private|password|passphrase|token|invite|authorization|cookie|seed|gradient|record|label|vector/i;
/** Invites, PEM keys and the user and password of an address, wherever they stand in a text. */
const SECRET_TEXT =
  /fk1\.[\w.-]+|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)|(?<=:\/\/)[^\s\/@]+@/g;
/** Longest text of one field, characters. */
const MAX_TEXT = 1000;
/** Most numbers of a list: whatever is longer is data and no remark. */
const MAX_NUMBERS = 8;
const REDACTED = "[redacted]";

/** One structured log line on stderr. Never a record, a label, a gradient or one site's metric. */
export function logEvent(event: LogEvent): void {
  out.note(logLine(event));
}

/**
 * The JSON text of a log line: time, level, event and particulars. It is the last guard, not the first: secrets,
 * binary data and lists of numbers are replaced, long texts are cut.
 * @param time when it happened
 */
export function logLine(event: LogEvent, time: Date = new Date()): string {
  const { level = WARNINGS.has(event.event) ? "warn" : "info", ...rest } = event;
  return JSON.stringify({ time: time.toISOString(), level, ...redact(rest) as object });
}

function redact(value: unknown): unknown {
  if (typeof value === "string") {
    const text = value.replace(SECRET_TEXT, REDACTED);
    return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  }
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Error) return redact(value.message);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return REDACTED;
  if (Array.isArray(value)) {
    const numbers = value.filter((item) => typeof item === "number").length;
    return numbers > MAX_NUMBERS ? REDACTED : value.map(redact);
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => {
      const secret = SECRET.test(name) && typeof item !== "number" && typeof item !== "boolean";
      return [name, secret ? REDACTED : redact(item)];
    }),
  );
}
