import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { bundlePrograms, startFile } from "./bundle.ts";
import { makeFolderOf, productReferences } from "./assets.ts";
import { launcherText, type Payload } from "./launcher.ts";
import { type Recipe, RECIPES } from "./recipes.ts";
import { tar } from "./tar.ts";

/** A compressed part with its place in the file. */
interface Part extends Payload {
  readonly bytes: Uint8Array;
}

let parts: Promise<{ readonly runtime: Part; readonly programs: Part }> | undefined;

/**
 * Makes the self-extracting form of a program: the launcher's text, the Deno runtime that runs now, and the bundled
 * programs with all that they read. The same sources and runtime give the same bytes.
 *
 * @param recipe the program
 * @param out where the file goes
 */
export async function makeSelfExtracting(recipe: Recipe, out: string): Promise<void> {
  // All programs share both parts: a second one that is started finds them unpacked.
  parts ??= makeParts();
  const { runtime, programs } = await parts;
  const launcher = launcherText(recipe, startFile(recipe), runtime, programs);
  await makeFolderOf(out);
  using file = await Deno.open(out, { write: true, create: true, truncate: true, mode: 0o755 });
  for (const bytes of [new TextEncoder().encode(launcher), runtime.bytes, programs.bytes]) {
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  }
}

async function makeParts(): Promise<{ readonly runtime: Part; readonly programs: Part }> {
  return {
    runtime: part(await Deno.readFile(Deno.execPath()), 6),
    programs: part(tar(await bundlePrograms(RECIPES, productReferences())), 9),
  };
}

function part(content: Uint8Array, level: number): Part {
  const id = createHash("sha256").update(content).digest("hex").slice(0, 16);
  const bytes = gzipSync(content, { level });
  return { id, length: bytes.length, bytes };
}
