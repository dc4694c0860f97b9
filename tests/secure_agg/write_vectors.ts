/** Writes the published transcripts anew: `deno run -A tests/secure_agg/write_vectors.ts`. Only for a new version. */
import { allVectors, VECTORS } from "./_transcript_vectors.ts";

for (const [name, content] of await allVectors()) {
  await Deno.writeTextFile(new URL(name, VECTORS), `${JSON.stringify(content, undefined, 1)}\n`);
}
