import { FedKimError } from "../formats/errors.ts";
import type { TextTokenizer } from "../foundation/mod.ts";
import type { PromptForm } from "./config.ts";
import type { InjectionSample, ModalityTokens, TaskText } from "./samples.ts";

/** A sample with its texts as token ids. */
export interface EncodedSample {
  /** The task. */
  readonly task: TaskText;
  /** Encoded modalities. */
  readonly modalities: readonly ModalityTokens[];
  /** Ids after the modality tokens: text, question, suffix. */
  readonly suffix: readonly number[];
  /** Ids of the answer; with the end token for open tasks. */
  readonly answer: readonly number[];
  /** Probability of yes to learn instead of the label, where a teacher gave one. */
  readonly teacher?: number;
  /** Where the sample stood in the caller's list. */
  readonly index: number;
}

/** What the samples carry of one modality: the encoder's tokens, or the input of an encoder that is trained too. */
export type ModalityLayout =
  | { readonly kind: "tokens"; readonly width: number }
  | { readonly kind: "input"; readonly width: number; readonly count: number };

/** The token ids by which yes and no are told apart. */
export interface AnswerTokens {
  /** First token of "yes". */
  readonly yes: number;
  /** First token of "no". */
  readonly no: number;
}

/**
 * The first tokens of the two answers.
 *
 * @param tokenizer the base's tokenizer
 * @returns their ids
 * @throws FedKimError `ModelError` when the tokenizer begins both answers alike
 */
export function answerTokens(tokenizer: TextTokenizer): AnswerTokens {
  const [yes] = tokenizer.encode("yes");
  const [no] = tokenizer.encode("no");
  if (yes !== undefined && no !== undefined && yes !== no) return { yes, no };
  throw new FedKimError(
    "ModelError",
    "The tokenizer cannot tell the answers yes and no apart by one token.",
    {
      found: `first tokens ${yes} and ${no}`,
      needed: "different first tokens",
      remedy: "use the tokenizer that belongs to the model",
    },
  );
}

/**
 * Checks samples against the known tasks and modalities and encodes their texts.
 *
 * @param samples the samples
 * @param tasks known tasks by name
 * @param layouts what the samples carry, by modality
 * @param tokenizer the base's tokenizer
 * @param prompt the prompt form
 * @returns encoded samples in the same order
 * @throws FedKimError `UnknownTask` for a task without description, `ModelError` for an unknown modality, tokens
 * of another width or that are not finite, or a label that does not fit the task
 */
export function encodeSamples(
  samples: readonly InjectionSample[],
  tasks: ReadonlyMap<string, TaskText>,
  layouts: ReadonlyMap<string, ModalityLayout>,
  tokenizer: TextTokenizer,
  prompt: PromptForm,
): EncodedSample[] {
  const answers = answerTokens(tokenizer);
  const ids = memoize((text: string) => tokenizer.encode(text));
  const tail = ids(prompt.suffix);
  return samples.map((sample, index) => {
    const task = tasks.get(sample.task);
    if (task === undefined) {
      throw new FedKimError("UnknownTask", `The task ${sample.task} has no description.`, {
        needed: "a task text for every task of the samples",
        remedy: "give its name, description and modality description",
      });
    }
    for (const modality of sample.modalities) checkTokens(modality, layouts);
    if (sample.teacher !== undefined) checkTeacher(sample.teacher, task);
    const text = sample.text === undefined ? [] : ids(sample.text).slice(0, prompt.maxTextTokens);
    return {
      task,
      modalities: sample.modalities,
      suffix: [...text, ...ids(sample.question), ...tail],
      answer: answerIds(sample, task, answers, tokenizer),
      index,
      ...(sample.teacher === undefined ? {} : { teacher: sample.teacher }),
    };
  });
}

function answerIds(
  { label }: InjectionSample,
  task: TaskText,
  { yes, no }: AnswerTokens,
  tokenizer: TextTokenizer,
): number[] {
  if (task.type === "binary" && (label === 0 || label === 1)) return [label === 1 ? yes : no];
  if (task.type === "open" && typeof label === "string") {
    return [...tokenizer.encode(label), ...(tokenizer.eosId === undefined ? [] : [tokenizer.eosId])];
  }
  throw new FedKimError("ModelError", `A label does not fit the task ${task.name}.`, {
    found: `a ${typeof label} in a task of type ${task.type}`,
    needed: task.type === "binary" ? "0 or 1" : "the answer's text",
  });
}

function checkTeacher(probability: number, task: TaskText): void {
  if (task.type === "binary" && probability >= 0 && probability <= 1) return;
  throw new FedKimError("ModelError", `A teacher's answer does not fit the task ${task.name}.`, {
    found: task.type === "binary" ? "a value outside [0, 1]" : "a teacher in an open task",
    needed: "the probability of yes in a binary task",
  });
}

function checkTokens(
  { modality, tokens, count }: ModalityTokens,
  layouts: ReadonlyMap<string, ModalityLayout>,
): void {
  const layout = layouts.get(modality);
  if (layout === undefined) {
    throw new FedKimError("ModelError", `The modality ${modality} has no projector.`, {
      needed: `one of ${[...layouts.keys()].join(", ")}`,
      remedy: "train the injection with samples of this modality",
    });
  }
  if (layout.kind === "input" && count !== 0 && count !== layout.count) {
    throw new FedKimError(
      "ModelError",
      `The encoder of modality ${modality} gives another number of tokens.`,
      {
        found: `${count} tokens`,
        needed: `${layout.count}, or 0 where the record lacks the modality`,
      },
    );
  }
  const { width } = layout;
  const rows = layout.kind === "tokens" ? count : Math.sign(count);
  if (tokens.length !== rows * width) {
    throw new FedKimError("ModelError", `The tokens of modality ${modality} have another width.`, {
      found: `${tokens.length} values for ${count} tokens`,
      needed: `${rows} x ${width} values`,
    });
  }
  if (!tokens.every(Number.isFinite)) {
    throw new FedKimError("ModelError", `The tokens of modality ${modality} are not finite.`, {
      remedy: "check the encoder that made them",
    });
  }
}

function memoize(encode: (text: string) => number[]): (text: string) => number[] {
  const known = new Map<string, number[]>();
  return (text) => {
    const ids = known.get(text) ?? encode(text);
    known.set(text, ids);
    return ids;
  };
}
