import assert from "node:assert/strict";
import { fuzz, tryInput } from "../../../tools/fuzz/engine.ts";
import { KEPT_FOLDER, keptBytes, readKept } from "../../../tools/fuzz/kept.ts";
import { removeScratch, targetsOf } from "../../../tools/fuzz/targets/mod.ts";

/** Inputs made anew for each parser, beside the kept ones; `tools/fuzz/main.ts` is the long form. */
const FRESH = 48;
/** Seconds of CPU for each parser at most. */
const SECONDS = 0.3;

const targets = await targetsOf();

for (const target of targets) {
  Deno.test({
    name:
      `${target.name}: kept and fresh hostile inputs are read or refused by a typed error, and no law breaks`,
    // Parsers under test may keep a service or a backend for all inputs.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      try {
        const seeds = await target.seeds();
        const kept = keptBytes(await readKept(target.name));
        for (const input of [...seeds, ...kept]) {
          const verdict = await tryInput(target, input);
          assert.ok(
            typeof verdict === "string",
            typeof verdict === "string" ? "" : `${verdict.what} at ${verdict.where}`,
          );
        }
        const { findings } = await fuzz(target, { seed: 11, inputs: seeds.length + FRESH, seconds: SECONDS });
        assert.deepEqual(findings.map(({ what, where, input }) => [what, where, input.toBase64()]), []);
      } finally {
        await target.end?.();
        removeScratch();
      }
    },
  });
}

Deno.test("every file of kept inputs belongs to a parser, and all of them are small", async () => {
  const names = new Set(targets.map(({ name }) => `${name}.json`));
  let bytes = 0;
  for await (const { name } of Deno.readDir(KEPT_FOLDER)) {
    assert.ok(names.has(name), `${name} is of no target`);
    bytes += (await Deno.stat(`${KEPT_FOLDER}/${name}`)).size;
  }
  assert.ok(bytes > 0 && bytes < 1_000_000, `${bytes} bytes`);
});

Deno.test("the fuzzer finds an error of another type, a broken law and a claim of memory", async () => {
  const parse = (input: Uint8Array): unknown => {
    if (input.length === 3) throw new TypeError("three");
    return input.length === 4 ? new Float64Array(1 << 26).fill(input[0]) : input;
  };
  const target = { name: "broken", kind: "bytes", seeds: () => Promise.resolve([]), parse } as const;
  const typed = await tryInput(target, new Uint8Array(3));
  assert.ok(typeof typed !== "string" && typed.what === "TypeError: three");
  const large = await tryInput(target, new Uint8Array(4));
  assert.ok(typeof large !== "string" && /MiB for 4 bytes$/.test(large.what));
  assert.equal(await tryInput(target, new Uint8Array(5)), "accepted");
});
