/** A byte-pair-encoding vocabulary over the byte alphabet of GPT-2. */
export interface BytePairVocabulary {
  /** Tokens in id order, special tokens first. */
  readonly tokens: readonly string[];
  /** Merges in rank order, each a pair of tokens. */
  readonly merges: readonly (readonly [string, string])[];
}

/** Splits text into words as the `ByteLevel` pre-tokenizer does (Radford et al. 2019). */
const WORD = /'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** Printable stand-ins of the 256 bytes: visible Latin-1 characters stand for themselves. */
const BYTE_SYMBOLS: readonly string[] = byteSymbols();

/**
 * Counts the words of texts, as sequences of byte symbols. Texts are lower-cased and get a leading space, as the
 * tokenizer file prescribes.
 *
 * @param texts texts with the weight of each
 * @returns count by word
 */
export function countWords(texts: Iterable<readonly [text: string, weight: number]>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [text, weight] of texts) {
    for (const [word] of ` ${text.toLowerCase()}`.matchAll(WORD)) {
      counts.set(word, (counts.get(word) ?? 0) + weight);
    }
  }
  const encoder = new TextEncoder();
  const symbols = new Map<string, number>();
  for (const [word, count] of counts) {
    symbols.set(Array.from(encoder.encode(word), (byte) => BYTE_SYMBOLS[byte]).join(""), count);
  }
  return symbols;
}

/** A word in training: its present pieces and how often it occurs. */
interface Word {
  pieces: string[];
  readonly count: number;
}

/**
 * Learns byte-pair merges (Sennrich et al. 2016) from word counts. Deterministic: ties go to the pair that sorts
 * first.
 *
 * @param counts words as byte symbols, from {@link countWords}
 * @param vocabSize tokens wanted in all
 * @param special tokens with the first ids
 * @returns the vocabulary
 */
export function trainBytePairs(
  counts: ReadonlyMap<string, number>,
  vocabSize: number,
  special: readonly string[],
): BytePairVocabulary {
  const words = [...counts].map(([word, count]): Word => ({ pieces: [...word], count }));
  const pairCounts = new Map<string, number>();
  const pairWords = new Map<string, Set<Word>>();
  for (const word of words) addPairs(word, 1, pairCounts, pairWords);
  const tokens = [...special, ...BYTE_SYMBOLS];
  const merges: [string, string][] = [];
  while (tokens.length < vocabSize) {
    const best = mostFrequent(pairCounts);
    if (best === undefined) break;
    const [left, right] = best.split(" ");
    merges.push([left, right]);
    tokens.push(left + right);
    for (const word of pairWords.get(best) ?? []) {
      addPairs(word, -1, pairCounts, pairWords);
      word.pieces = mergePieces(word.pieces, left, right);
      addPairs(word, 1, pairCounts, pairWords);
    }
    pairCounts.delete(best);
    pairWords.delete(best);
  }
  return { tokens, merges };
}

function addPairs(
  word: Word,
  sign: 1 | -1,
  pairCounts: Map<string, number>,
  pairWords: Map<string, Set<Word>>,
): void {
  const { pieces, count } = word;
  for (let i = 0; i + 1 < pieces.length; i++) {
    const pair = `${pieces[i]} ${pieces[i + 1]}`;
    pairCounts.set(pair, (pairCounts.get(pair) ?? 0) + sign * count);
    if (sign === 1) {
      const owners = pairWords.get(pair);
      if (owners === undefined) pairWords.set(pair, new Set([word]));
      else owners.add(word);
    }
  }
}

function mergePieces(pieces: readonly string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (let i = 0; i < pieces.length; i++) {
    if (pieces[i] === left && pieces[i + 1] === right) {
      merged.push(left + right);
      i++;
    } else {
      merged.push(pieces[i]);
    }
  }
  return merged;
}

function mostFrequent(pairCounts: ReadonlyMap<string, number>): string | undefined {
  let best: string | undefined;
  let most = 1;
  for (const [pair, count] of pairCounts) {
    if (count > most || (count === most && best !== undefined && pair < best)) {
      best = pair;
      most = count;
    }
  }
  return best;
}

function byteSymbols(): string[] {
  const visible = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(visible(byte) ? byte : next++));
}
