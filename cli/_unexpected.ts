/** Says what somebody meant by a word that the parser does not know. @module */
import { didYouMean } from "./_similar.ts";

/** Text without colours, on one line. */
export function plainText(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/\x1b\[[0-9;]*m/g, "").trim().replace(/\s+/g, " ");
}

/**
 * Replaces the parser's guess about an unexpected word by the closest words that are legal at its place.
 * @param stderr the parser's message
 * @param args all arguments
 * @param legalWords the words that may follow some arguments
 */
export function explainUnexpected(
  stderr: string,
  args: readonly string[],
  legalWords: (before: readonly string[], prefix: string) => readonly string[],
): string {
  const found = /^Error: Unexpected option or subcommand: [`"']?(.+?)[`"']?\.(?: |$)/.exec(plainText(stderr));
  if (found === null) return stderr;
  const [word] = found[1].split("=", 1);
  const at = args.findIndex((arg) => arg === found[1] || arg.split("=", 1)[0] === word);
  const legal = at < 0 ? [] : legalWords(args.slice(0, at), word.startsWith("-") ? "--" : "");
  const verbs = legal.filter((item) => item.startsWith("-") === word.startsWith("-"));
  const hint = didYouMean(word, verbs);
  return `${[stderr.split("\n", 1)[0], hint].filter((part) => part !== "").join(" ")}\n`;
}
