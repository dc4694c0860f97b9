import assert from "node:assert/strict";
import { MUTATIONS } from "./_mutations.ts";

Deno.test("every entry of the mutation list names one guard of the source and one test that exists", () => {
  for (const { file, find, test, name } of MUTATIONS) {
    const source = Deno.readTextFileSync(new URL(`../../src/secure_agg/${file}`, import.meta.url));
    assert.equal(source.split(find).length, 2, `${file}: ${find}`);
    const tests = Deno.readTextFileSync(new URL(test, import.meta.url));
    // Names in loops carry the profile, provider or message type: compare what is before it.
    const start = name.replace(
      /^(x25519 of |a survivors|masked_chunk |share_keys ).*/,
      (_, prefix: string) => prefix === "a survivors" ? "a ${type}" : "",
    );
    assert.ok(tests.includes(start), `${test}: ${name}`);
  }
});
