/** A fenced block of a page. */
export interface Block {
  /** Page, from the root of the repository. */
  readonly page: string;
  /** Line of its fence. */
  readonly line: number;
  /** Language. */
  readonly language: string;
  /** Marks after the language, such as `run` or `tutorial`. */
  readonly marks: readonly string[];
  /** What stands between the fences. */
  readonly text: string;
}

/** All fenced blocks of a page's text, indented ones too. */
export function blocksOf(page: string, text: string): Block[] {
  const found: Block[] = [];
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const fence = /^( *)```(.*)$/.exec(lines[i]);
    if (fence === null) continue;
    const [language, ...marks] = fence[2].trim().split(/\s+/);
    const start = i;
    const body: string[] = [];
    while (++i < lines.length && lines[i].trim() !== "```") body.push(lines[i].slice(fence[1].length));
    found.push({ page, line: start + 1, language, marks, text: `${body.join("\n")}\n` });
  }
  return found;
}
