/**
 * `deno run -A examples/custom_encoder.ts`: an encoder of one's own. Texts are read by a table that this file defines
 * (hashed letter triples, no language model), images by attention over patches instead of the default encoder; sites
 * share the upper layers of both, whatever they read from.
 *
 * @module
 */
import {
  createSpec,
  prepareFeatures,
  pretrainOnPublic,
  specTable,
  type TokenEmbedding,
} from "@fedkim/fedkim/local";
import { evaluateLocal, loadFederationPart } from "@fedkim/fedkim/local";
import { synthesizeFederation } from "../src/local/synthesize/mod.ts";
import { selectBackend } from "@fedkim/fedkim";

const WIDTH = 32;

/** One row per word: the sum of signed one-hot codes of its letter triples. */
const letterTriples: TokenEmbedding = {
  dimension: WIDTH,
  embed(text) {
    const words = text.toLowerCase().match(/[a-z]+/g) ?? [];
    const rows = new Float32Array(words.length * WIDTH);
    words.forEach((word, row) => {
      const padded = `^${word}$`;
      for (let i = 0; i + 3 <= padded.length; i++) {
        const code = fnv1a(padded.slice(i, i + 3));
        rows[row * WIDTH + code % WIDTH] += (code & 0x10000) === 0 ? 1 : -1;
      }
    });
    return rows;
  },
};

/** FNV-1a, 32 bits. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const letter of text) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
  return hash >>> 0;
}

await selectBackend("wasm");
const folder = await Deno.makeTempDir();
const few = { icu: 60, cxr: 30, ecg: 4, vqa: 12 };
await synthesizeFederation(folder, { seed: 1, patients: { site: few, public: few, test: few } });
const data = await loadFederationPart(`${folder}/public`);
const spec = createSpec(data, ["cxr_pneumonia", "icu_mortality"], {
  tokenDimension: WIDTH,
  attention: { image: { tokens: 16 } },
});
console.log(specTable(spec));

const weights = await pretrainOnPublic(spec, data, letterTriples, { seed: 1, steps: 20 });
const test = prepareFeatures(spec, weights, await loadFederationPart(`${folder}/test`), letterTriples);
for (const [task, { auroc }] of Object.entries(await evaluateLocal(spec, weights, test))) {
  console.log(`${task}: AUROC ${auroc?.toFixed(3) ?? "undefined"} on test records`);
}
await Deno.remove(folder, { recursive: true });
