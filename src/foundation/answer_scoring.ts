import { readFloat32, tf } from "../tensor/mod.ts";
import { type Decoder, embedTokens } from "./decoder.ts";
import { decoderForward, type LinearAdapter, logitsOf } from "./forward.ts";

/**
 * Constrained likelihood: the mean log-probability per token of each candidate answer after a prompt, so that long
 * and short answers compare. Deterministic, and nothing outside the candidates can be answered.
 *
 * @param decoder the decoder
 * @param prompt input embeddings `[1, T, H]`; not disposed
 * @param answers token ids of the candidates, none empty
 * @param adapter adapters at the linear layers
 * @returns one value per answer, at most 0; the largest is the model's choice
 * @throws FedKimError `ModelError` when prompt and answer exceed the model's positions
 */
export async function scoreAnswers(
  decoder: Decoder,
  prompt: tf.Tensor3D,
  answers: readonly (readonly number[])[],
  adapter?: LinearAdapter,
): Promise<number[]> {
  const scores: number[] = [];
  for (const answer of answers) {
    const logProbabilities = tf.tidy(() => {
      const given = answer.slice(0, -1);
      const embeddings = given.length === 0
        ? prompt
        : tf.concat([prompt, embedTokens(decoder, given, [1, given.length])], 1);
      const { hidden } = decoderForward(
        decoder.weights,
        decoder.config,
        embeddings,
        adapter === undefined ? {} : { adapter },
      );
      const predicting = hidden.slice([prompt.shape[1] - 1, 0], [answer.length, -1]);
      return tf.logSoftmax(logitsOf(decoder.weights, predicting));
    });
    const values = await readFloat32(logProbabilities);
    logProbabilities.dispose();
    const { vocabSize } = decoder.config;
    const sum = answer.reduce((total, token, at) => total + values[at * vocabSize + token], 0);
    scores.push(sum / answer.length);
  }
  return scores;
}
