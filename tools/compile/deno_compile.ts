import { makeFolderOf, productReferences } from "./assets.ts";
import { REPOSITORY } from "../_source_files.ts";
import { permissionFlags } from "./permissions.ts";
import type { Recipe } from "./recipes.ts";
import { tryRun } from "./run.ts";

/** How an attempt with `deno compile` ended. */
export type CompileOutcome =
  | { readonly made: true }
  /** The base `denort` cannot be had; everything else is an error. */
  | { readonly made: false; readonly reason: string };

/** Set once the base could not be had: it will not come while the other programs are made. */
let noBase: CompileOutcome | undefined;

/** What Deno says when it cannot download the base. */
const NO_BASE = /dl\.deno\.land|denort|error sending request|dns error|tls handshake/i;

/** The arguments of `deno compile` for a program. */
export function compileArguments(recipe: Recipe, out: string, references = productReferences()): string[] {
  const included = [...new Set(references.map(({ target }) => target))].toSorted();
  return [
    "compile",
    "--quiet",
    "--no-check",
    "--exclude-unused-npm",
    ...included.flatMap((path) => ["--include", path]),
    ...permissionFlags(recipe.permissions, undefined),
    "--output",
    out,
    recipe.entry,
  ];
}

/**
 * Makes a program with `deno compile`.
 *
 * @throws Error where the program itself does not compile
 */
export async function makeByDenoCompile(recipe: Recipe, out: string): Promise<CompileOutcome> {
  if (noBase !== undefined) return noBase;
  await makeFolderOf(out);
  const { code, stderr } = await tryRun(Deno.execPath(), compileArguments(recipe, out), { cwd: REPOSITORY });
  if (code === 0) return { made: true };
  if (!NO_BASE.test(stderr)) throw new Error(`deno compile of ${recipe.name} failed:\n${stderr}`);
  noBase = { made: false, reason: "the base runtime denort could not be downloaded" };
  return noBase;
}
