/**
 * `deno task compile [NAME...] [--out DIR] [--net HOST:PORT] [--form compiled|self-extracting]`: makes each program as
 * one file for this platform, with the permissions that it needs and no more, and beside them the SBOM and the
 * checksums. `docs/binaries.md` describes forms and permissions.
 *
 * @module
 */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { writeChecksums } from "./checksums.ts";
import { type Form, makeProgram } from "./program.ts";
import { type Recipe, RECIPES } from "./recipes.ts";
import { writeSbom } from "./sbom.ts";

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    out: { type: "string", default: "dist" },
    net: { type: "string", multiple: true },
    form: { type: "string", default: "auto" },
  },
});

/** The chosen programs, with the connections narrowed where `--net` names them. */
function chosen(names: readonly string[], net: readonly string[] | undefined): Recipe[] {
  const unknown = names.filter((name) => !RECIPES.some((recipe) => recipe.name === name));
  if (unknown.length > 0) {
    throw new Error(
      `no program is called ${unknown.join(", ")}; there are ${RECIPES.map(({ name }) => name)}`,
    );
  }
  const recipes = RECIPES.filter(({ name }) => names.length === 0 || names.includes(name));
  return net === undefined
    ? recipes
    : recipes.map((recipe) => ({ ...recipe, permissions: { ...recipe.permissions, net } }));
}

const FORMS: readonly string[] = ["auto", "compiled", "self-extracting"] satisfies Form[];
if (!FORMS.includes(values.form)) throw new Error(`--form is one of ${FORMS.join(", ")}`);
const out = resolve(values.out);
const recipes = chosen(positionals, values.net);
for (const recipe of recipes) {
  const made = await makeProgram(recipe, join(out, recipe.name), values.form as Form);
  const { size } = await Deno.stat(join(out, recipe.name));
  console.log(
    `${join(out, recipe.name)}: ${made.form}, ${(size / 1e6).toFixed(1)} MB` +
      (made.reason === undefined ? "" : ` (${made.reason})`),
  );
}
await writeSbom(join(out, "fedkim.cdx.json"));
await writeChecksums(out, [...recipes.map(({ name }) => name), "fedkim.cdx.json"]);
