import { countWords, trainBytePairs } from "../../src/foundation/bpe_trainer.ts";
import { writeCheckpoint } from "../../src/foundation/checkpoint_writer.ts";
import type { DecoderConfig } from "../../src/foundation/mod.ts";
import { initTrainableWeights } from "../../src/foundation/init_weights.ts";
import { SPECIAL_TOKENS, tokenizerConfigJson, tokenizerJson } from "../../src/foundation/tokenizer_file.ts";
import { disposeWeights } from "../../src/foundation/weights.ts";

/** Words that the tiny tokenizer keeps whole. */
export const TINY_TEXT =
  "human : assistant : answer : yes no is the patient in shock pneumonia image labs vitals";

/** Writes a random Llama-type model with its tokenizer into a new temporary folder. */
export async function writeTinyModel(changes: Partial<DecoderConfig> = {}, seed = 5): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "fedkim-tiny-" });
  const vocabulary = trainBytePairs(countWords([[TINY_TEXT, 10]]), 320, SPECIAL_TOKENS);
  await Deno.writeTextFile(`${folder}/tokenizer.json`, JSON.stringify(tokenizerJson(vocabulary)));
  await Deno.writeTextFile(`${folder}/tokenizer_config.json`, JSON.stringify(tokenizerConfigJson(64)));
  const config: DecoderConfig = {
    architecture: "llama",
    vocabSize: vocabulary.tokens.length,
    hiddenSize: 16,
    intermediateSize: 24,
    layers: 2,
    heads: 2,
    kvHeads: 1,
    headDim: 8,
    rmsNormEps: 1e-5,
    ropeTheta: 10000,
    ropeScaling: { type: "default" },
    tiedHead: true,
    attentionBias: "none",
    maxPositions: 64,
    bosTokenId: 1,
    eosTokenIds: [2],
    ...changes,
  };
  const { weights } = initTrainableWeights(config, seed);
  await writeCheckpoint(folder, config, weights, "F32");
  disposeWeights(weights);
  return folder;
}
