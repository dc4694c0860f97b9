import { join } from "node:path";
import { VERSION } from "../../src/formats/version.ts";
import { REPOSITORY } from "../_source_files.ts";
import { dependencyVersion, filesBelow, makeFolderOf } from "../compile/assets.ts";

/** Name of the npm package. */
export const PACKAGE = "@fedkim/core";
/** The parts that run outside Deno too, by the name of their export. */
export const PARTS = ["secure_agg", "dp"] as const;
/** Folders that they are made of. */
const FOLDERS = ["src/secure_agg", "src/dp", "src/formats"];
/** Packages that they import. */
const DEPENDENCIES = ["@noble/ciphers", "@noble/curves", "@noble/hashes"];

/** The exact npm versions of what the parts import. */
export function dependencies(): Record<string, string> {
  return Object.fromEntries(DEPENDENCIES.map((name) => [name, dependencyVersion(name)]));
}

/** A Deno project with nothing but the parts, from which `deno pack` makes the modules and their types. */
export async function stage(folder: string): Promise<void> {
  const copy = async (path: string, name = path) => {
    for await (const [below, bytes] of filesBelow(join(REPOSITORY, path))) {
      const target = join(folder, name, below);
      await makeFolderOf(target);
      await Deno.writeFile(target, bytes);
    }
  };
  for (const path of FOLDERS) await copy(path);
  await copy("LICENSE");
  await copy("tools/npm/README.md", "README.md");
  await Deno.writeTextFile(
    join(folder, "deno.json"),
    JSON.stringify({
      name: PACKAGE,
      version: VERSION,
      license: "Apache-2.0",
      exports: Object.fromEntries(PARTS.map((part) => [`./${part}`, `./src/${part}/mod.ts`])),
      imports: npmImports(),
      lock: false,
      nodeModulesDir: "none",
    }),
  );
}

/** The import map of the dependencies. */
export function npmImports(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(dependencies()).map(([name, version]) => [name, `npm:${name}@${version}`]),
  );
}
