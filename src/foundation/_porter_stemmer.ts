/**
 * Porter's suffix stripping (Porter 1980, *An algorithm for suffix stripping*, Program 14:130) with the three
 * departures of its author's own program: words of up to two letters stay, `bli` to `ble`, `logi` to `log`.
 */
export function porterStem(word: string): string {
  if (word.length <= 2 || !/^[a-z]+$/.test(word)) return word;
  const withoutInflection = finalY(pastAndGerund(plural(word)));
  return tidyEnd(longSuffix(applyFirst(applyFirst(withoutInflection, STEP_2), STEP_3)));
}

/** A suffix and what replaces it when the rest of the word has a positive measure. */
type Rule = readonly [suffix: string, replacement: string];

const STEP_2: readonly Rule[] = [
  ["ational", "ate"],
  ["tional", "tion"],
  ["enci", "ence"],
  ["anci", "ance"],
  ["izer", "ize"],
  ["bli", "ble"],
  ["alli", "al"],
  ["entli", "ent"],
  ["eli", "e"],
  ["ousli", "ous"],
  ["ization", "ize"],
  ["ation", "ate"],
  ["ator", "ate"],
  ["alism", "al"],
  ["iveness", "ive"],
  ["fulness", "ful"],
  ["ousness", "ous"],
  ["aliti", "al"],
  ["iviti", "ive"],
  ["biliti", "ble"],
  ["logi", "log"],
];

const STEP_3: readonly Rule[] = [
  ["icate", "ic"],
  ["ative", ""],
  ["alize", "al"],
  ["iciti", "ic"],
  ["ical", "ic"],
  ["ful", ""],
  ["ness", ""],
];

/** Longer suffixes stand before those that end them. */
const STEP_4: readonly string[] = [
  ..."al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize".split(" "),
];

/** True where the letter is a consonant: not a vowel, and `y` only at the start or after a vowel. */
function isConsonant(word: string, at: number): boolean {
  const letter = word[at];
  if ("aeiou".includes(letter)) return false;
  return letter !== "y" || at === 0 || !isConsonant(word, at - 1);
}

/** The word as a string of `c` and `v`. */
function pattern(word: string): string {
  return Array.from(word, (_, at) => isConsonant(word, at) ? "c" : "v").join("");
}

/** m in [C](VC)^m[V]: how often a run of vowels is followed by consonants. */
function measure(stem: string): number {
  return pattern(stem).match(/v+c+/g)?.length ?? 0;
}

function hasVowel(stem: string): boolean {
  return pattern(stem).includes("v");
}

function endsInDouble(word: string): boolean {
  const last = word.length - 1;
  return last > 0 && word[last] === word[last - 1] && isConsonant(word, last);
}

/** Consonant, vowel, consonant at the end, the last one not w, x or y: then a final e was dropped. */
function endsShort(word: string): boolean {
  return pattern(word).endsWith("cvc") && !/[wxy]$/.test(word);
}

function plural(word: string): string {
  if (word.endsWith("sses") || word.endsWith("ies")) return word.slice(0, -2);
  return word.endsWith("s") && !word.endsWith("ss") ? word.slice(0, -1) : word;
}

function pastAndGerund(word: string): string {
  if (word.endsWith("eed")) return measure(word.slice(0, -3)) > 0 ? word.slice(0, -1) : word;
  const suffix = ["ed", "ing"].find((ending) => word.endsWith(ending));
  if (suffix === undefined) return word;
  const stem = word.slice(0, -suffix.length);
  if (!hasVowel(stem)) return word;
  if (/(?:at|bl|iz)$/.test(stem)) return `${stem}e`;
  if (endsInDouble(stem) && !/[lsz]$/.test(stem)) return stem.slice(0, -1);
  return measure(stem) === 1 && endsShort(stem) ? `${stem}e` : stem;
}

function finalY(word: string): string {
  return word.endsWith("y") && hasVowel(word.slice(0, -1)) ? `${word.slice(0, -1)}i` : word;
}

/** Applies the rule of the longest matching suffix, if the stem before it has a positive measure. */
function applyFirst(word: string, rules: readonly Rule[]): string {
  const matching = rules.filter(([suffix]) => word.endsWith(suffix));
  if (matching.length === 0) return word;
  const [suffix, replacement] = matching.reduce((a, b) => b[0].length > a[0].length ? b : a);
  const stem = word.slice(0, -suffix.length);
  return measure(stem) > 0 ? stem + replacement : word;
}

function longSuffix(word: string): string {
  const matching = STEP_4.filter((suffix) => word.endsWith(suffix));
  if (matching.length === 0) return word;
  const suffix = matching.reduce((a, b) => b.length > a.length ? b : a);
  const stem = word.slice(0, -suffix.length);
  if (measure(stem) <= 1 || (suffix === "ion" && !/[st]$/.test(stem))) return word;
  return stem;
}

function tidyEnd(word: string): string {
  const stem = word.slice(0, -1);
  const withoutE = word.endsWith("e") && (measure(stem) > 1 || (measure(stem) === 1 && !endsShort(stem)))
    ? stem
    : word;
  return withoutE.endsWith("ll") && measure(withoutE) > 1 ? withoutE.slice(0, -1) : withoutE;
}
