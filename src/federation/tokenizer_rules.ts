import { FedKimError } from "../formats/errors.ts";

/** Letters, digits and the rest, as Qwen2 and Llama 3 split words; they differ in how many digits stay together. */
const words = (digits: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}` +
  `| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";

/** Patterns of the tokenizers of known model families: none looks at what a text says, or takes long at any text. */
const KNOWN_PATTERNS: ReadonlySet<string> = new Set([
  words("\\p{N}"),
  words("\\p{N}{1,3}"),
  // GPT-2, SmolLM2.
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  // Mistral's Tekken.
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*|\\p{N}` +
  `| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  "\\s+",
  " {2,}",
]);

/** Longest text that a rule may put before others. */
const LONGEST_PREFIX = 4;
/** Most rules, however they are nested. */
const MOST_RULES = 64;

/**
 * Refuses a tokenizer whose rules could tell one text from another by the time that they take. A tokenizer comes from
 * the aggregator and runs over a site's notes when a plan is looked at, before anything is charged: a pattern that takes
 * for ever where a note holds a certain word, or a replacement that makes such notes grow, would say who has it.
 *
 * @param definition the parsed `tokenizer.json`
 * @throws FedKimError `FormatError`, reason `tokenizer_rules`
 */
export function requireHarmlessTokenizer(definition: unknown): void {
  if (typeof definition !== "object" || definition === null) throw refused("no JSON object");
  const { normalizer, pre_tokenizer } = definition as Record<string, unknown>;
  let rules = 0;
  const look = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    if (++rules > MOST_RULES) throw refused(`more than ${MOST_RULES} rules`);
    requireHarmless(value as Record<string, unknown>);
    Object.values(value).forEach(look);
  };
  look([normalizer, pre_tokenizer]);
}

function requireHarmless(rule: Record<string, unknown>): void {
  const { Regex, pattern, content, prepend } = rule;
  if (Regex !== undefined && !(typeof Regex === "string" && KNOWN_PATTERNS.has(Regex))) {
    throw refused("a pattern that no known model family has");
  }
  if (prepend !== undefined && !(typeof prepend === "string" && prepend.length <= LONGEST_PREFIX)) {
    throw refused("a long prefix");
  }
  if (content === undefined) return;
  const replaced = (pattern as { String?: unknown } | undefined)?.String;
  const shortest = typeof replaced === "string" ? replaced.length : 1;
  if (typeof content !== "string" || content.length > shortest) {
    throw refused("a replacement that is longer than what it replaces");
  }
}

function refused(found: string): FedKimError {
  return new FedKimError("FormatError", "The tokenizer of the plan could be used to look into notes.", {
    reason: "tokenizer_rules",
    found,
    needed:
      "the splitting and replacing rules of a known model family (Llama, SmolLM2, Qwen2, Mistral, InternLM2)",
    remedy: "tell the consortium: take the foundation model's own tokenizer.json, or one of these families",
  });
}
