import {
  checkTokenizer,
  type Decoder,
  type DecoderConfig,
  type DecoderUse,
  EMBEDDED_MODEL_FOLDER,
  type EmbeddingTable,
  embeddingTable,
  LINEAR_NAMES,
  loadDecoder,
  loadTokenizer,
  openCheckpoint,
  type TextTokenizer,
} from "../foundation/mod.ts";
import type { OnProgress } from "../formats/progress.ts";
import type { LocalModelSpec, TokenEmbedding } from "../local/mod.ts";
import { DEFAULT_INJECTION, expertShape } from "../m3oe/mod.ts";
import { INJECTION_RECIPE } from "./injection_recipe.ts";
import { tokenEmbedding } from "./text_table.ts";

/** In a configuration: the language model that ships with this program, wherever its files lie. */
export const EMBEDDED_MODEL = "embedded";

/** A foundation model before its weights are loaded. */
export interface OpenedFoundation {
  /** Its Hugging Face folder. */
  readonly folder: string;
  /** Its architecture. */
  readonly config: DecoderConfig;
  /** Its tokenizer. */
  readonly tokenizer: TextTokenizer;
}

/** The frozen foundation model as every stage uses it. */
export interface FoundationBase {
  /** Its Hugging Face folder. */
  readonly folder: string;
  /** The decoder. */
  readonly decoder: Decoder;
  /** Its tokenizer. */
  readonly tokenizer: TextTokenizer;
  /** Its embedding, on the host. */
  readonly table: EmbeddingTable;
  /** The same, as the sites' text encoder uses it. */
  readonly text: TokenEmbedding;
}

/**
 * Reads configuration and tokenizer, no weights.
 * @param model a Hugging Face folder, or {@link EMBEDDED_MODEL}
 * @throws FedKimError as `openCheckpoint` and `checkTokenizer`
 */
export async function openFoundation(model: string): Promise<OpenedFoundation> {
  const folder = model === EMBEDDED_MODEL ? EMBEDDED_MODEL_FOLDER : model;
  const { config } = await openCheckpoint(folder);
  const tokenizer = await loadTokenizer(folder);
  checkTokenizer(tokenizer, config, folder);
  return { folder, config, tokenizer };
}

/**
 * Loads decoder and embedding.
 * @param model the opened foundation model, or what {@link openFoundation} opens
 * @param use what the decoder is for: it is refused where that does not fit the device's memory
 * @param onProgress receives the memory plan before anything is loaded
 * @throws FedKimError as `loadDecoder`
 */
export async function loadFoundation(
  model: string | OpenedFoundation,
  use: DecoderUse = { batch: 1, tokens: 1 },
  onProgress: OnProgress = () => {},
): Promise<FoundationBase> {
  const report = (detail: string): void => onProgress({ stage: "memory", done: 1, total: 1, detail });
  const { folder, tokenizer } = typeof model === "string" ? await openFoundation(model) : model;
  const decoder = await loadDecoder(folder, { use, report });
  const table = await embeddingTable(decoder);
  return {
    folder,
    decoder,
    tokenizer,
    table,
    text: tokenEmbedding(tokenizer, table.values, table.hiddenSize),
  };
}

/** Room for a question in a prompt, in tokens. */
const QUESTION_TOKENS = 24;
/** Room for a generated answer, in tokens. */
const ANSWER_TOKENS = 16;
/** Records that are answered at a time. */
const ANSWER_BATCH = 64;

/**
 * What the decoder is loaded for: an injection by the recipe of a federation, or answering with one.
 * @param purpose whether experts are trained
 * @param spec the local model, whose encoders' tokens stand in the prompt
 * @param tokenizer the base's tokenizer
 */
export function foundationUse(
  purpose: "inject" | "answer",
  spec: LocalModelSpec,
  tokenizer: TextTokenizer,
): DecoderUse {
  const config = { ...DEFAULT_INJECTION, ...INJECTION_RECIPE };
  const tokensOf = new Map(spec.encoders.map(({ modality, tokens }) => [modality, tokens]));
  const encoded = spec.heads.map(({ modalities }) =>
    modalities.reduce((sum, modality) => sum + (tokensOf.get(modality) ?? 0), 0)
  );
  const texts = spec.encoders.some(({ kind }) => kind === "text") ? config.prompt.maxTextTokens : 0;
  const fixed = 1 + tokenizer.encode(config.prompt.prefix).length +
    tokenizer.encode(config.prompt.suffix).length;
  const tokens = fixed + Math.max(0, ...encoded) + texts + QUESTION_TOKENS;
  const open = spec.heads.some(({ type }) => type === "open");
  const { experts, r } = expertShape(config);
  const targetModules = LINEAR_NAMES.filter((name) => config.targetModules.includes(name));
  const adapter = { rank: experts * r, targetModules };
  return purpose === "inject"
    ? {
      batch: Math.ceil(config.batchSize / config.accumulation),
      tokens: tokens + (open ? ANSWER_TOKENS : 0),
      scoredTokens: open ? ANSWER_TOKENS : 1,
      training: true,
      adapter,
    }
    : { batch: ANSWER_BATCH, tokens, newTokens: open ? ANSWER_TOKENS : 0, adapter };
}
