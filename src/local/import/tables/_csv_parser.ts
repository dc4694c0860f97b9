/** Rows of a delimited text (RFC 4180: quotes, doubled quotes, line breaks inside quotes), fed piece by piece. */
export class CsvParser {
  readonly #delimiter: string;
  readonly #special: RegExp;
  #row: string[] = [];
  #field = "";
  #quoted = false;
  #closed = false;
  #return = false;
  #size = 0;

  /** @param delimiter one character */
  constructor(delimiter: string) {
    this.#delimiter = delimiter;
    this.#special = new RegExp(`[\\n\\r"\\u{${delimiter.codePointAt(0)?.toString(16)}}]`, "gu");
  }

  /** Characters of the unfinished row: the caller bounds it. */
  get pendingCharacters(): number {
    return this.#size;
  }

  /** Whether a quoted field is open. */
  get insideQuotes(): boolean {
    return this.#quoted && !this.#closed;
  }

  /** Feeds text and returns the rows that are complete; blank lines are left out. */
  push(text: string): string[][] {
    const rows: string[][] = [];
    let at = 0;
    while (at < text.length) {
      if (this.insideQuotes) {
        const end = text.indexOf('"', at);
        const stop = end < 0 ? text.length : end;
        this.#take(text, at, stop);
        at = stop + 1;
        if (end >= 0) this.#closed = true;
        continue;
      }
      const char = text[at];
      if (this.#return && char !== "\n") this.#field += "\r";
      this.#return = char === "\r";
      if (char === '"' && this.#closed) {
        // A quote after a closing quote was a doubled one: the field goes on.
        this.#field += '"';
        this.#closed = false;
        at++;
      } else if (char === '"' && this.#field === "") {
        this.#quoted = true;
        at++;
      } else if (char === this.#delimiter) {
        this.#endField();
        at++;
      } else if (char === "\r") {
        // Half of a line break, or a character of the field: the next one tells, perhaps in the next piece.
        at++;
      } else if (char === "\n") {
        this.#endRow(rows);
        at++;
      } else {
        this.#special.lastIndex = at + 1;
        const stop = this.#special.exec(text)?.index ?? text.length;
        this.#take(text, at, stop);
        at = stop;
      }
    }
    return rows;
  }

  /** The last row when the text does not end with a line break. */
  end(): string[][] {
    const rows: string[][] = [];
    if (this.#row.length > 0 || this.#field !== "" || this.#quoted) this.#endRow(rows);
    return rows;
  }

  #take(text: string, from: number, to: number): void {
    this.#field += text.slice(from, to);
    this.#size += to - from;
  }

  #endField(): void {
    this.#row.push(this.#field);
    this.#field = "";
    this.#quoted = this.#closed = false;
    this.#size++;
  }

  #endRow(rows: string[][]): void {
    const blank = this.#row.length === 0 && this.#field === "" && !this.#quoted;
    this.#endField();
    if (!blank) rows.push(this.#row);
    this.#row = [];
    this.#size = 0;
  }
}
