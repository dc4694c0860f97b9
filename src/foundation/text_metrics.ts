import { FedKimError } from "../formats/errors.ts";
import { porterStem } from "./_porter_stemmer.ts";

/** How well generated answers agree with reference answers, each from 0 to 1. */
export interface TextScores {
  /** BLEU-1: clipped unigram precision times the brevity penalty. */
  readonly bleu1: number;
  /** ROUGE-1 F1: overlap of unigrams. */
  readonly rouge1: number;
  /** ROUGE-L F1: longest common subsequence. */
  readonly rougeL: number;
  /** METEOR with exact and stem matches. */
  readonly meteor: number;
}

/**
 * Words of a text for all metrics here: lower-cased runs of letters and digits.
 *
 * @param text any text
 * @returns its words
 */
export function metricWords(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

/**
 * BLEU-1 of one answer (Papineni et al. 2002, eq. 3 with N = 1): clipped unigram precision, times
 * exp(1 - r / c) when the answer's c words are fewer than the reference's r.
 *
 * @param answer the generated text
 * @param reference the text to compare with
 * @returns a value from 0 to 1; 0 for an answer without words
 */
export function bleu1(answer: string, reference: string): number {
  const [words, wanted] = [metricWords(answer), metricWords(reference)];
  if (words.length === 0) return 0;
  const precision = overlap(words, wanted) / words.length;
  return precision * Math.min(1, Math.exp(1 - wanted.length / words.length));
}

/**
 * ROUGE-1 F1 of one answer (Lin 2004): harmonic mean of unigram precision and recall, words not stemmed.
 *
 * @param answer the generated text
 * @param reference the text to compare with
 * @returns a value from 0 to 1; 0 when either has no words
 */
export function rouge1(answer: string, reference: string): number {
  const [words, wanted] = [metricWords(answer), metricWords(reference)];
  return f1(overlap(words, wanted), words.length, wanted.length);
}

/**
 * ROUGE-L F1 of one answer (Lin 2004): harmonic mean of precision and recall of the longest common subsequence.
 *
 * @param answer the generated text
 * @param reference the text to compare with
 * @returns a value from 0 to 1; 0 when either has no words
 */
export function rougeL(answer: string, reference: string): number {
  const [words, wanted] = [metricWords(answer), metricWords(reference)];
  return f1(commonSubsequence(words, wanted), words.length, wanted.length);
}

/**
 * METEOR of one answer (Banerjee and Lavie 2005) with the weights of Lavie and Agarwal 2007 as in NLTK (alpha 0.9,
 * beta 3, gamma 0.5). Words match when equal or when their Porter stems are; synonyms, which need WordNet, do not,
 * so the value is a lower bound of the full metric's.
 *
 * @param answer the generated text
 * @param reference the text to compare with
 * @returns a value from 0 to 1; 0 when nothing matches
 */
export function meteor(answer: string, reference: string): number {
  const [words, wanted] = [metricWords(answer), metricWords(reference)];
  const matches = align(words, wanted);
  if (matches.length === 0) return 0;
  const precision = matches.length / words.length;
  const recall = matches.length / wanted.length;
  const mean = precision * recall / (0.9 * precision + 0.1 * recall);
  const starts = matches.filter(([word, at], i) =>
    i === 0 || matches[i - 1][0] !== word - 1 || matches[i - 1][1] !== at - 1
  );
  return mean * (1 - 0.5 * (starts.length / matches.length) ** 3);
}

/**
 * Mean scores over pairs of answer and reference. Every pair counts, an empty answer with 0: leaving empty answers
 * out would reward silence.
 *
 * @param answers generated texts
 * @param references the texts to compare with, one for each answer
 * @returns mean scores
 * @throws FedKimError `FormatError` when the lists are empty or differ in length
 */
export function scoreTexts(answers: readonly string[], references: readonly string[]): TextScores {
  if (answers.length === 0 || answers.length !== references.length) {
    throw new FedKimError("FormatError", "Generated answers cannot be scored.", {
      found: `${answers.length} answers and ${references.length} references`,
      needed: "one reference for each of at least one answer",
    });
  }
  const mean = (metric: (answer: string, reference: string) => number): number =>
    answers.reduce((sum, answer, i) => sum + metric(answer, references[i]), 0) / answers.length;
  return { bleu1: mean(bleu1), rouge1: mean(rouge1), rougeL: mean(rougeL), meteor: mean(meteor) };
}

/** Words in common, each as often as in the list that has it less often. */
function overlap(words: readonly string[], wanted: readonly string[]): number {
  const left = new Map<string, number>();
  for (const word of wanted) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of words) {
    const count = left.get(word) ?? 0;
    if (count > 0) common++;
    left.set(word, count - 1);
  }
  return common;
}

function f1(common: number, words: number, wanted: number): number {
  return common === 0 ? 0 : 2 * common / (words + wanted);
}

function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const word of a) {
    const next = [0];
    b.forEach((other, j) => next.push(word === other ? row[j] + 1 : Math.max(row[j + 1], next[j])));
    row = next;
  }
  return row[b.length];
}

/** Pairs of positions, exact matches first, then stems; greedy from the end as in NLTK; sorted by the answer. */
function align(words: readonly string[], wanted: readonly string[]): (readonly [number, number])[] {
  const freeWords = new Set(words.keys());
  const freeWanted = new Set(wanted.keys());
  const matches: (readonly [number, number])[] = [];
  for (const form of [(word: string) => word, porterStem]) {
    const wantedForms = wanted.map(form);
    for (const i of [...freeWords].reverse()) {
      const word = form(words[i]);
      const j = [...freeWanted].reverse().find((at) => wantedForms[at] === word);
      if (j === undefined) continue;
      matches.push([i, j]);
      freeWords.delete(i);
      freeWanted.delete(j);
    }
  }
  return matches.sort((a, b) => a[0] - b[0]);
}
