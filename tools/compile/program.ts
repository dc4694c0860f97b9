import { makeByDenoCompile } from "./deno_compile.ts";
import type { Recipe } from "./recipes.ts";
import { makeSelfExtracting } from "./self_extracting.ts";
import { smokeFault } from "./smoke.ts";

/** How a program is made; `auto` takes `deno compile` where its base can be had and the result answers. */
export type Form = "auto" | "compiled" | "self-extracting";

/** What was made. */
export interface MadeProgram {
  /** The form that was delivered. */
  readonly form: Exclude<Form, "auto">;
  /** Why it is not the compiled form, where that was wanted. */
  readonly reason?: string;
}

/**
 * Makes a program and lets the smoke test decide which form is delivered: a compiled file whose base ignores the
 * program inside answers wrongly and is replaced.
 *
 * @param recipe the program
 * @param out where the file goes
 * @param form which form is wanted
 * @throws Error where the wanted form cannot be made or does not answer
 */
export async function makeProgram(recipe: Recipe, out: string, form: Form): Promise<MadeProgram> {
  let reason: string | undefined;
  await Deno.remove(out).catch(() => {}); // of an earlier build: deno compile does not overwrite it
  if (form !== "self-extracting") {
    const outcome = await makeByDenoCompile(recipe, out);
    reason = outcome.made ? await smokeFault(out) : outcome.reason;
    if (reason === undefined) return { form: "compiled" };
    if (form === "compiled") throw new Error(`${recipe.name} cannot be compiled: ${reason}`);
  }
  await makeSelfExtracting(recipe, out);
  const fault = await smokeFault(out);
  if (fault !== undefined) {
    throw new Error(`${recipe.name} does not work as a self-extracting file: ${fault}`);
  }
  return { form: "self-extracting", ...(reason === undefined ? {} : { reason }) };
}
