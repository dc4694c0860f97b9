/**
 * A text as one cell or line of a Markdown document that shows it and does nothing else: names come from other parties,
 * and one with a pipe, a line feed, a tag, a link or a picture would change the table or call an address of its choice.
 * @param text any text
 */
export function markdownText(text: string): string {
  return text.replace(/[\s\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").replace(/[\\|`[\]*]/g, "\\$&")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/**
 * The lines of a Markdown table, every cell escaped.
 * @param head headings
 * @param rows a cell for each heading
 * @param right columns of numbers, which stand at the right
 */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, column) => right.includes(column) ? "---:" : "---");
  return [line(head.map(markdownText)), line(rule), ...rows.map((row) => line(row.map(markdownText)))];
}
