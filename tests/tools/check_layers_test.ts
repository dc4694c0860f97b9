import assert from "node:assert/strict";
import { checkLayers } from "../../tools/check_layers.ts";
import { importsOf, withoutComments } from "../../tools/_code_text.ts";
import { withTree } from "./_tree.ts";

const MOD = "/** A folder.\n * @module\n */\n";

/** A tree that keeps every rule. */
const GOOD = {
  "mod.ts": `${MOD}export { ring } from "./src/secure_agg/mod.ts";\n`,
  "cli/main.ts":
    'import { join } from "../src/federation/mod.ts";\nimport "./args.ts";\nconsole.log(join);\n',
  "cli/args.ts": 'import { run } from "@optique/run";\nrun();\n',
  "src/formats/mod.ts": MOD,
  "src/formats/errors.ts": "export class FedKimError extends Error {}\n",
  "src/tensor/mod.ts": `${MOD}export * as tf from "@tensorflow/tfjs";\n`,
  "src/tensor/seeded_random.ts": "export class SeededRandom {}\n",
  "src/secure_agg/mod.ts": `${MOD}export { ring } from "./ring.ts";\n`,
  "src/secure_agg/ring.ts":
    'import { FedKimError } from "../formats/errors.ts";\nexport const ring = FedKimError;\n',
  "src/dp/mod.ts": `${MOD}export { pld } from "./pld/mod.ts";\n`,
  "src/dp/errors.ts": "export const limit = 1;\n",
  "src/dp/pld/mod.ts": `${MOD}export { pld } from "./_pld.ts";\n`,
  "src/dp/pld/_pld.ts":
    'import { limit } from "../errors.ts";\nexport const pld = limit; // Math.random() is named here\n',
  "src/local/mod.ts": `${MOD}export { data } from "./data.ts";\n`,
  "src/local/data.ts":
    'import { SeededRandom } from "../tensor/seeded_random.ts";\nexport const data = SeededRandom;\n',
  "src/federation/mod.ts": `${MOD}export { join } from "./join.ts";\n`,
  "src/federation/join.ts":
    'import { ring } from "../secure_agg/mod.ts";\nimport { Hono } from "hono";\nexport const join = [ring, Hono];\n',
};

Deno.test("a tree that keeps the rules has no faults", async () => {
  assert.deepEqual(await withTree(GOOD, checkLayers), []);
});

const BROKEN: readonly (readonly [string, Record<string, string>, RegExp])[] = [
  [
    "secure_agg importing dp",
    { "src/secure_agg/x.ts": 'import "../dp/mod.ts";' },
    /secure_agg may import only/,
  ],
  [
    "dp importing the seeded generator",
    { "src/dp/x.ts": 'import "../tensor/seeded_random.ts";' },
    /dp may import only/,
  ],
  ["local importing foundation", {
    "src/foundation/mod.ts": MOD,
    "src/local/x.ts": 'import type { A } from "../foundation/mod.ts";',
  }, /local may import only/],
  [
    "an import upwards by re-export",
    { "src/dp/x.ts": 'export { join } from "../federation/mod.ts";' },
    /dp may import/,
  ],
  [
    "an import upwards at run time",
    { "src/local/x.ts": 'await import("../federation/mod.ts");' },
    /local may import/,
  ],
  ["a worker that is named by URL", {
    "src/dp/x.ts": 'new Worker(new URL("../local/mod.ts", import.meta.url));',
  }, /dp may import/],
  [
    "an import of the command line",
    { "src/federation/x.ts": 'import "../../cli/args.ts";' },
    /imports cli\/args.ts/,
  ],
  ["formats importing anything", { "src/formats/x.ts": 'import "../tensor/mod.ts";' }, /nothing of ours/],
  [
    "a folder without a place",
    { "src/extra/mod.ts": `${MOD}import "../formats/errors.ts";` },
    /no place in the layers/,
  ],
  [
    "a folder entered past its mod.ts",
    { "src/federation/x.ts": 'import "../secure_agg/ring.ts";' },
    /go through/,
  ],
  [
    "a sub-folder entered past its mod.ts",
    { "src/dp/x.ts": 'import "./pld/_pld.ts";' },
    /go through src\/dp\/pld/,
  ],
  ["a private file of formats", {
    "src/formats/_x.ts": "export {};",
    "src/dp/x.ts": 'import "../formats/_x.ts";',
  }, /go through src\/formats/],
  ["sub-folders in a cycle", {
    "src/dp/rdp/mod.ts": `${MOD}import "../pld/mod.ts";`,
    "src/dp/pld/x.ts": 'import "../rdp/mod.ts";',
  }, /cycle: src\/dp\/.* -> src\/dp\//],
  ["a folder without mod.ts", { "src/m3oe/gate.ts": "export {};" }, /src\/m3oe has no mod.ts/],
  ["a mod.ts without a module doc", { "src/m3oe/mod.ts": "export {};" }, /no @module doc/],
  ["a star export", { "src/dp/mod.ts": `${MOD}export * from "./errors.ts";` }, /not by name/],
  [
    "tfjs outside src/tensor",
    { "src/local/x.ts": 'import * as tf from "@tensorflow/tfjs";' },
    /only src\/tensor/,
  ],
  [
    "Hono below the federation",
    { "src/dp/x.ts": 'import { Hono } from "npm:hono@4";' },
    /only src\/federation/,
  ],
  ["Math.random", { "src/dp/x.ts": "export const x = Math.random();" }, /x.ts:1 uses Math.random/],
  ["Math.random by key in the command line", { "cli/x.ts": '\nconst x = Math["random"]();' }, /x.ts:2 uses/],
];

for (const [name, files, wanted] of BROKEN) {
  Deno.test(`checkLayers() refuses ${name}`, async () => {
    const faults = await withTree({ ...GOOD, ...files }, checkLayers);
    assert.ok(faults.some((fault) => wanted.test(fault)), JSON.stringify(faults));
  });
}

Deno.test("imports are found whatever their form, and not in comments or strings", () => {
  const text = [
    'import a, { b } from "./a.ts";',
    "import type {\n  C,\n} from './b.ts';",
    'export type { D } from "./c.ts";',
    'import "./d.ts";',
    'const e = await import("./e.ts");',
    '// import x from "./no1.ts";',
    '/* import x from "./no2.ts"; */',
    'const s = "// not a comment"; const r = /[/"]/; export { f } from "./f.ts";',
  ].join("\n");
  assert.deepEqual(importsOf(text).toSorted(), ["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./e.ts", "./f.ts"]);
});

Deno.test("comments are blanked and line numbers hold", () => {
  const text = 'a; // b\n/* c\n d */ e; "/* f */" + `//g`; h / i / j;';
  const code = withoutComments(text);
  assert.equal(code.length, text.length);
  assert.equal(code.split("\n").length, 3);
  assert.ok(!/[bcd]/.test(code) && /"\/\* f \*\/" \+ `\/\/g`; h \/ i \/ j;/.test(code), code);
});
