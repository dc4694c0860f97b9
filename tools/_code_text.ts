/**
 * TypeScript without its comments: they become blanks, line breaks stay, so positions and line numbers hold.
 * Strings, templates and regular expressions are told from comments by a scan, not by a full parser: a regular
 * expression is one that begins where a value cannot end.
 */
export function withoutComments(text: string): string {
  let out = "";
  for (let i = 0; i < text.length;) {
    const end = tokenEnd(text, i, out);
    const token = text.slice(i, end);
    const comment = token.length > 1 && token[0] === "/" && (token[1] === "/" || token[1] === "*") &&
      !isRegExp(text, i, out);
    out += comment ? token.replace(/[^\n]/g, " ") : token;
    i = end;
  }
  return out;
}

/** Whether the `/` at `i` opens a regular expression: the last code before it cannot end a value. */
function isRegExp(text: string, i: number, before: string): boolean {
  if (text[i + 1] === "/" || text[i + 1] === "*") return false;
  const code = before.trimEnd();
  return code === "" || /[=(,:;!&|?{}[+\-*%~^<>]$/.test(code) || /\b(?:return|case|typeof|of|in)$/.test(code);
}

/** Where the token that begins at `i` ends: a comment, string, template, regular expression or one character. */
function tokenEnd(text: string, i: number, before: string): number {
  if (text.startsWith("//", i)) return indexOrEnd(text, "\n", i);
  if (text.startsWith("/*", i)) return indexOrEnd(text, "*/", i + 2) + 2;
  if (text[i] === "/" && isRegExp(text, i, before)) {
    const match = /^\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\//.exec(text.slice(i, i + 1000));
    return i + (match?.[0].length ?? 1);
  }
  const quote = text[i];
  if (quote !== '"' && quote !== "'" && quote !== "`") return i + 1;
  for (let j = i + 1; j < text.length; j++) {
    if (text[j] === "\\") j++;
    else if (text[j] === quote || (quote !== "`" && text[j] === "\n")) return j + 1;
  }
  return text.length;
}

function indexOrEnd(text: string, wanted: string, from: number): number {
  const at = text.indexOf(wanted, from);
  return at < 0 ? text.length : at;
}

/** Every module specifier that a file imports, re-exports, loads later or names by `new URL(..., import.meta.url)`. */
export function importsOf(text: string): string[] {
  const code = withoutComments(text);
  const patterns = [
    /(?:^|[;\n}])\s*(?:import|export)\b[^;"'`]*?\bfrom\s*["']([^"']+)["']/g,
    /(?:^|[;\n}])\s*import\s*["']([^"']+)["']/g,
    /\bimport\s*\(\s*["']([^"']+)["']/g,
    /\bnew\s+URL\s*\(\s*["'](\.[^"']*\.ts)["']\s*,\s*import\.meta\.url/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1]));
}
