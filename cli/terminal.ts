import type { ProgressEvent } from "../src/formats/progress.ts";

const encoder = new TextEncoder();

/** Weights and colours as {@link paint} and the parser of arguments use them: none that hides what it colours. */
// deno-lint-ignore no-control-regex
const OURS = /\x1b\[(?:[0-4]|2[234]|3[1-79]|9[1-7])m/;

/** What moves the cursor, colours, rings, or turns the order of letters around; tabs and line feeds are text. */
const ACTING = /(?!\r?\n|\t)[\p{Cc}\p{Bidi_Control}]/u;

/**
 * A text as a terminal may be given it: names and reasons come from other parties, and a control sequence in one could
 * hide a line, write another or set the window's title. This program's own colours stay.
 */
export function inert(text: string): string {
  return text.replace(
    new RegExp(`(${OURS.source})|${ACTING.source}`, "gu"),
    (_, ours?: string) => ours ?? "\ufffd",
  );
}

/** Writes all of a text, inert on a terminal; a reader that has gone away, such as `head`, ends the program quietly. */
function write(place: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  writeRaw(place, place.isTerminal() ? inert(text) : text);
}

function writeRaw(place: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  const bytes = encoder.encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += place.writeSync(bytes.subarray(at));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(0);
    throw error;
  }
}

/** Where a verb writes: results on stdout, everything else on stderr. */
export const out = {
  /** Whether a result was written. */
  hasResult: false,
  /** Writes a line to stdout. */
  result(text: string): void {
    out.hasResult = true;
    write(Deno.stdout, `${text}\n`);
  },
  /** Writes a line to stderr. */
  note(text: string): void {
    write(Deno.stderr, `${text}\n`);
  },
  /** Writes to stdout without a line feed. */
  text(text: string): void {
    write(Deno.stdout, text);
  },
  /** Writes to stderr without a line feed. */
  error(text: string): void {
    write(Deno.stderr, text);
  },
};

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

/** Colours text for stderr when it is a terminal and NO_COLOR is not set. */
export function paint(style: keyof typeof codes, text: string): string {
  if (!Deno.stderr.isTerminal() || Deno.noColor) return text;
  const [open, close] = codes[style];
  return `\x1b[${open}m${text}\x1b[${close}m`;
}

/** Seconds as `1 m 05 s` or `12 s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} m ${String(whole % 60).padStart(2, "0")} s`;
}

/** A rate with three digits, per minute where it is slow. */
function perSecond(rate: number): string {
  const [value, unit] = rate >= 1 ? [rate, "s"] : [rate * 60, "min"];
  return Number.isFinite(value) ? `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)}/${unit}` : "";
}

/** Draws progress with rate and ETA: one redrawn line on a terminal, a plain line every few seconds otherwise. */
export class ProgressLine {
  #stage = "";
  #started = 0;
  #printed = 0;
  #dirty = false;

  /** @param labels what to call each stage, by its name */
  constructor(private readonly labels: Readonly<Record<string, string>> = {}) {}

  /** Shows an event. */
  update(event: ProgressEvent): void {
    const now = performance.now();
    if (event.stage !== this.#stage) {
      this.end();
      this.#stage = event.stage;
      this.#started = now;
      this.#printed = 0;
    }
    const terminal = Deno.stderr.isTerminal();
    const finished = event.done >= event.total;
    if (!finished && now - this.#printed < (terminal ? 100 : 5000)) return;
    this.#printed = now;
    const line = this.#render(event, (now - this.#started) / 1000);
    if (terminal) {
      writeRaw(Deno.stderr, "\r\x1b[2K");
      out.error(line);
      this.#dirty = true;
      if (finished) this.end();
    } else {
      out.note(line);
    }
  }

  /** Ends the line, before other text is written. */
  end(): void {
    if (this.#dirty) out.note("");
    this.#dirty = false;
    this.#stage = "";
  }

  #render(event: ProgressEvent, elapsed: number): string {
    const share = event.total === 0 ? 1 : Math.min(1, event.done / event.total);
    const filled = Math.round(share * 20);
    const bar = `${"█".repeat(filled)}${"░".repeat(20 - filled)}`;
    const time = share >= 1
      ? `in ${duration(elapsed)}`
      : share > 0
      ? `${perSecond(event.done / elapsed)}  ETA ${duration(elapsed / share - elapsed)}`
      : "ETA …";
    const label = (this.labels[event.stage] ?? event.stage).padEnd(26);
    const detail = event.detail === undefined ? "" : `  ${paint("dim", event.detail)}`;
    return `${label} ${paint("cyan", bar)} ${event.done}/${event.total}  ${time}${detail}`;
  }
}

/** A table with aligned columns; numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => (row[i] ?? "").length))
  );
  const numeric = header.map((_, i) => rows.every((row) => /^(-?[\d.,]+%?|[-–]|n\/a)?$/.test(row[i] ?? "")));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (numeric[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join("  ")
      .trimEnd();
  return [line(header), widths.map((width) => "─".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}
