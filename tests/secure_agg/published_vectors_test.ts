import assert from "node:assert/strict";
import { nativeProvider, nobleProvider } from "../../src/secure_agg/mod.ts";
import { allVectors, VECTORS } from "./_transcript_vectors.ts";

for (const provider of [nativeProvider, nobleProvider]) {
  Deno.test(`${provider.name} reproduces every byte of the published transcripts`, async () => {
    const files = await allVectors(provider);
    assert.equal(files.size, 3);
    for (const [name, content] of files) {
      const published = JSON.parse(Deno.readTextFileSync(new URL(name, VECTORS)));
      assert.ok(
        published.source && published.date && published.protocol,
        "vectors without provenance are refused",
      );
      assert.deepEqual(JSON.parse(JSON.stringify(content)), published, name);
    }
  });
}
