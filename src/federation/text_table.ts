import { encodeSafetensors, openSafetensors, readFloats } from "../formats/safetensors.ts";
import { FedKimError } from "../formats/errors.ts";
import type { TokenEmbedding } from "../local/mod.ts";
import { requireHarmlessTokenizer } from "./tokenizer_rules.ts";
import { loadTokenizer, type TextTokenizer, tokenizerFiles } from "../foundation/mod.ts";

/** Tokens of a text beyond this many are not read by the local text encoder. */
const MAX_TOKENS = 64;
const TENSOR = "embedding";
const TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json"] as const;

/** The text encoder's input: the foundation model's frozen embedding behind its tokenizer. */
export function tokenEmbedding(
  tokenizer: TextTokenizer,
  table: Float32Array,
  dimension: number,
): TokenEmbedding {
  return {
    dimension,
    embed: (text) => {
      const ids = tokenizer.encode(text).slice(0, MAX_TOKENS);
      const rows = new Float32Array(ids.length * dimension);
      ids.forEach((id, i) => rows.set(table.subarray(id * dimension, (id + 1) * dimension), i * dimension));
      return rows;
    },
  };
}

/**
 * The artefact that carries tokenizer and embedding to the sites: one safetensors file, the tokenizer's files in its
 * metadata.
 * @param folder the foundation model's folder or GGUF file
 * @param table its embedding, `[vocabSize, hiddenSize]`
 * @throws FedKimError `FormatError` for a tokenizer that sites would refuse
 */
export async function encodeTextTable(
  folder: string,
  table: { readonly vocabSize: number; readonly hiddenSize: number; readonly values: Float32Array },
): Promise<Uint8Array<ArrayBuffer>> {
  const { definition, settings } = await tokenizerFiles(folder);
  requireHarmlessTokenizer(definition);
  const files = [definition, settings].map((file) => JSON.stringify(file));
  const metadata = Object.fromEntries(TOKENIZER_FILES.map((name, i) => [name, files[i]]));
  const shape = [table.vocabSize, table.hiddenSize];
  return encodeSafetensors(new Map([[TENSOR, { dtype: "F32", shape, values: table.values }]]), metadata);
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FedKimError("FormatError", "The tokenizer of the plan is no JSON.", { found: path, cause });
  }
}

/** Reads the artefact that {@link encodeTextTable} wrote. @throws FedKimError `FormatError` */
export async function readTextTable(path: string): Promise<TokenEmbedding> {
  const archive = await openSafetensors(path);
  const tensor = archive.tensors.get(TENSOR);
  if (tensor === undefined || tensor.shape.length !== 2) {
    throw new FedKimError("FormatError", "The text table of the plan is malformed.", { found: path });
  }
  requireHarmlessTokenizer(parsed(archive.metadata[TOKENIZER_FILES[0]] ?? "{}", path));
  const folder = `${path}.tokenizer`;
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of TOKENIZER_FILES) {
    await Deno.writeTextFile(`${folder}/${name}`, archive.metadata[name] ?? "{}", { mode: 0o600 });
  }
  return tokenEmbedding(await loadTokenizer(folder), await readFloats(tensor), tensor.shape[1]);
}
