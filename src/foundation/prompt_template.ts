import { FedKimError } from "../formats/errors.ts";

/** Names of the prompt templates that ship. */
export type PromptTemplateName = "plain" | "embedded" | "fedkim" | "chatml" | "mistral";

/** How turns of a conversation and modality tokens are written. */
export interface PromptTemplate {
  /** Text before and after a system message; absent where the form has none. */
  readonly system?: readonly [before: string, after: string];
  /** Text before and after what a user says. */
  readonly user: readonly [before: string, after: string];
  /** Text before and after an answer. */
  readonly assistant: readonly [before: string, after: string];
  /** Texts that end a generated answer. */
  readonly stop: readonly string[];
  /** Text before and after the tokens of a modality group, by its name. */
  readonly tags: Readonly<Record<string, readonly [open: string, close: string]>>;
}

/** One turn of a conversation. */
export interface PromptTurn {
  /** Who speaks. */
  readonly role: "system" | "user" | "assistant";
  /** What is said. */
  readonly text: string;
}

/** The paper's tags: image, signal and clinical time series. */
const PAPER_TAGS: PromptTemplate["tags"] = {
  image: ["<Img>", "</Img>"],
  signal: ["<Signal>", "</Signal>"],
  clinical: ["<Ts>", "</Ts>"],
};

/**
 * Prompt templates by name: `plain` adds nothing, `embedded` is the form that the embedded model was trained on,
 * `fedkim` the released code's (`### Human: ... ### Assistant: ...`, sections ended by `###`), `chatml` that of
 * SmolLM2 and Qwen2 instruction models, `mistral` that of Mistral and Llama 2 instruction models.
 */
export const PROMPT_TEMPLATES: Readonly<Record<PromptTemplateName, PromptTemplate>> = {
  plain: { user: ["", ""], assistant: ["", ""], stop: [], tags: {} },
  embedded: {
    user: ["human : ", " "],
    assistant: ["assistant : answer :", " "],
    stop: ["human :"],
    tags: PAPER_TAGS,
  },
  fedkim: {
    user: ["### Human: ", "\n"],
    assistant: ["### Assistant: ", "\n###"],
    stop: ["###"],
    tags: PAPER_TAGS,
  },
  chatml: {
    system: ["<|im_start|>system\n", "<|im_end|>\n"],
    user: ["<|im_start|>user\n", "<|im_end|>\n"],
    assistant: ["<|im_start|>assistant\n", "<|im_end|>\n"],
    stop: ["<|im_end|>"],
    tags: PAPER_TAGS,
  },
  mistral: { user: ["[INST] ", " [/INST]"], assistant: ["", "</s>"], stop: ["</s>"], tags: PAPER_TAGS },
};

/**
 * Writes a conversation as a prompt that ends where the assistant's next answer begins.
 *
 * @param template the form
 * @param turns what was said so far
 * @returns the prompt's text, without the start token
 * @throws FedKimError `ConfigError` for a system message in a form that has none
 */
export function formatPrompt(template: PromptTemplate, turns: readonly PromptTurn[]): string {
  const parts = turns.map(({ role, text }) => {
    const around = template[role];
    if (around === undefined) {
      throw new FedKimError("ConfigError", "This prompt template has no system message.", {
        remedy: "put the instruction into the first user turn, or use another template",
      });
    }
    return around[0] + text + around[1];
  });
  return parts.join("") + template.assistant[0];
}

/**
 * The parts of a template around a prompt with modality tokens: prefix, then tagged tokens, question and suffix.
 *
 * @param template the form
 * @returns prefix, suffix and tags, as an injection's prompt form takes them
 */
export function promptParts(template: PromptTemplate): Pick<PromptTemplate, "tags"> & {
  /** Text before the modality tokens. */
  readonly prefix: string;
  /** Text after the question. */
  readonly suffix: string;
} {
  return { prefix: template.user[0], suffix: template.user[1] + template.assistant[0], tags: template.tags };
}

/**
 * Guesses the template of a model from the chat template in its tokenizer's settings.
 *
 * @param chatTemplate the Jinja text, where there is one
 * @returns a template's name; `plain` for a model without, or with a form not known here
 */
export function detectTemplate(chatTemplate: string | undefined): PromptTemplateName {
  if (chatTemplate === undefined) return "plain";
  if (chatTemplate.includes("<|im_start|>")) return "chatml";
  return chatTemplate.includes("[INST]") ? "mistral" : "plain";
}
