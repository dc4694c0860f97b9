/** Finds what somebody meant to type. @module */

/**
 * The candidates that differ from a word by few edits, best first.
 * @param word what was typed
 * @param candidates what would have been right
 */
export function similar(word: string, candidates: readonly string[]): string[] {
  const limit = Math.min(3, Math.floor(word.length / 2));
  return [...new Set(candidates)]
    .map((candidate) => ({ candidate, edits: edits(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter((item) => item.edits <= limit)
    .toSorted((a, b) => a.edits - b.edits)
    .slice(0, 3)
    .map((item) => item.candidate);
}

/** Levenshtein distance: insertions, deletions and replacements of one character. */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

/** `; did you mean A or B?`, or nothing. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const close = similar(word, candidates);
  return close.length === 0 ? "" : `Did you mean ${close.map((name) => `\`${name}\``).join(" or ")}?`;
}
